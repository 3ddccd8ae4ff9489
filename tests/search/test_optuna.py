"""Tests of the search on jobs whose scores are computed by a formula."""

import json
import math
from pathlib import Path

import pytest

from vae_lab.config.varied import Varied
from vae_lab.errors import UserError
from vae_lab.sweep.aims import refuse_uncomputed
from vae_lab.sweep.jobs import Outcome

optuna = pytest.importorskip("optuna", reason="the package optuna is not installed")

from vae_lab.search.optuna import JOURNAL, OptunaSearch  # noqa: E402

LR = Varied("lr", [], (1e-5, 1.0), log=True)
WIDTH = Varied("latent_dim", [str(n) for n in range(2, 65)], (2.0, 64.0), whole=True)
MODEL = Varied("model", ["cnn", "dense"])


def bowl(words):
    """Lowest, 0, at lr=0.01, latent_dim=16, model=dense."""
    typed = dict(word.split("=") for word in words)
    far = math.log10(float(typed["lr"]) / 0.01) ** 2 + (int(typed["latent_dim"]) - 16) ** 2 / 400
    return {"val/fid": far + (typed["model"] == "cnn"), "val/elbo": -far}


def play(search, folder, varied=(LR, WIDTH, MODEL), at_once=1, until=10**9, fail=(), scores=bowl):
    """Run a search as an engine does; return the words of its jobs in order. ``until``: the job at which it stops."""
    given, run = [], search(varied, folder, at_once)
    batch = next(run, None)
    while batch is not None:
        outcomes = {}
        for place, words in enumerate(batch):
            given.append(words)
            if len(given) == until:
                return given
            bad = len(given) in fail
            name = ",".join(words)
            outcomes[place] = Outcome(name, "failed", "why") if bad else Outcome(name, "finished", scores=scores(words))
        try:
            batch = run.send(outcomes)
        except StopIteration:
            batch = None
    return given


def test_the_known_optimum_is_approached_and_beats_chance(tmp_path):
    search = OptunaSearch(trials=60, startup=10)
    given = play(search, tmp_path)
    assert len(given) == 60
    found = [bowl(words)["val/fid"] for words in given]
    assert min(found) < 0.1
    assert sorted(found[30:])[15] < sorted(found[:10])[5] / 3  # later trials are nearer than the random ones
    words = dict(word.split("=") for word in given[found.index(min(found))])
    assert words["model"] == "dense"


def test_draws_keep_to_their_kind_and_optuna_knows_the_typed_values(tmp_path):
    search = OptunaSearch(trials=12)
    given = play(search, tmp_path)
    for words, trial in zip(given, search._study.trials):
        typed = dict(word.split("=") for word in words)
        assert list(typed) == ["lr", "latent_dim", "model"]
        assert float(typed["lr"]) == trial.params["lr"] == float(f"{trial.params['lr']:.4g}")
        assert 1e-5 <= float(typed["lr"]) <= 1
        assert int(typed["latent_dim"]) == trial.params["latent_dim"]
        assert trial.value == bowl(words)["val/elbo"]
    below = sum(float(words[0].removeprefix("lr=")) < 10**-2.5 for words in given[:10])
    assert 2 <= below <= 8  # evenly on the logarithmic scale: evenly on the plain one, 1 in 300 lies below


def test_bounds_that_rounding_would_leave_are_kept(tmp_path):
    tight = Varied("beta", [], (0.333341, 0.333349))
    search = OptunaSearch(trials=3)
    given = play(search, tmp_path, [tight], scores=lambda words: {"val/elbo": 1.0})
    values = [float(words[0].removeprefix("beta=")) for words in given]
    assert all(0.333341 <= value <= 0.333349 for value in values)
    assert values == [trial.params["beta"] for trial in search._study.trials]


def test_a_killed_search_continues_as_if_it_had_not_been_killed(tmp_path):
    whole = play(OptunaSearch(trials=16, startup=5), tmp_path / "whole" if (tmp_path / "whole").mkdir() is None else "")
    (tmp_path / "parts").mkdir()
    first = play(OptunaSearch(trials=16, startup=5), tmp_path / "parts", until=8)
    journal = tmp_path / "parts" / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "wor')  # killed while it wrote
    journal.with_name(f"{JOURNAL}.lock").symlink_to(journal)  # the lock of the killed process
    journal.with_name(f"{JOURNAL}.lock0-1.rename").symlink_to("nowhere")
    search = OptunaSearch(trials=16, startup=5)
    second = play(search, tmp_path / "parts")
    assert first[-1] == second[0]  # under way: given again
    assert first[:-1] + second == whole
    assert search.done == 7
    assert [path.name for path in journal.parent.iterdir()] == [JOURNAL]
    assert play(OptunaSearch(trials=16, startup=5), tmp_path / "parts") == []
    assert len(play(OptunaSearch(trials=18, startup=5), tmp_path / "parts")) == 2  # more trials


def test_parallel_trials_that_were_running_are_all_repeated(tmp_path):
    first = play(OptunaSearch(trials=10), tmp_path, at_once=4, until=6)
    second = play(OptunaSearch(trials=10), tmp_path, at_once=4)
    assert second[:2] == first[4:6]
    assert len(second) == 6


def test_failed_trials_are_reported_and_tried_again_in_the_next_start(tmp_path):
    search = OptunaSearch(trials=6)
    first = play(search, tmp_path, fail=(2, 5))
    assert [trial.state.name for trial in search._study.trials].count("FAIL") == 2
    assert play(OptunaSearch(trials=6), tmp_path) == [first[1], first[4]]
    assert play(OptunaSearch(trials=6), tmp_path) == []


def test_two_aims_give_a_pareto_front(tmp_path):
    from rich.console import Console

    def scores(words):
        at = float(words[0].removeprefix("beta="))
        return {"val/fid": at, "val/elbo": -abs(at - 0.5) if at < 0.5 else 0.5 - at, "val/loss": 0.0}

    search = OptunaSearch(trials=20, minimise=["val/fid"], maximise=["val/elbo"])
    given = play(search, tmp_path, [Varied("beta", [], (0.0, 1.0))], scores=scores)
    assert search.aims == [("val/fid", "min"), ("val/elbo", "max")]
    drawn = {float(words[0].removeprefix("beta=")) for words in given}
    low = {value for value in drawn if value < 0.5}
    rest = min(drawn - low)
    on_front = low | ({rest} if scores([f"beta={rest}"])["val/elbo"] > max(scores([f"beta={v}"])["val/elbo"]
                                                                          for v in low) else set())  # fmt: skip
    assert {trial.params["beta"] for trial in search._study.best_trials} == on_front
    console = Console(width=150, record=True)
    console.print(search.report())
    text = console.export_text()
    assert f"Pareto front (★): {len(on_front)} of {len(drawn)} trials" in text
    assert text.count("★") == 1 + min(10, len(on_front))


def test_the_best_trial_stands_first_in_the_table(tmp_path):
    from rich.console import Console

    search = OptunaSearch(trials=8, minimise=[], maximise=["val/elbo"])
    given = play(search, tmp_path)
    best = max(bowl(words)["val/elbo"] for words in given)
    console = Console(width=150, record=True)
    console.print(search.report())
    marked = [line for line in console.export_text().splitlines() if "★" in line]
    assert len(marked) == 1
    assert f"{best:.5g}" in marked[0]


@pytest.mark.parametrize(
    ("varied", "search", "told"),
    [
        ([], {}, "nothing varies"),
        ([Varied("lr", [], (0.0, 1.0), log=True)], {}, "lr: a logarithmic scale starts above 0"),
        ([Varied("lr", [], (1.0, 1.0))], {}, "lr: 1 to 1 is empty"),
        ([LR], {"minimise": ["val/fid"], "maximise": ["val/fid"]}, "name each score once"),
        ([LR], {"minimise": ["test/fid"]}, "type val/fid, or search.on_test=true to select on test scores"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_before_anything_is_written(tmp_path, varied, search, told):
    with pytest.raises(UserError, match=told):
        OptunaSearch(**search).plan(varied)


def test_validation_scores_are_optimised_unless_the_test_set_is_asked_for(tmp_path):
    assert OptunaSearch().aims == [("val/elbo", "max")]
    assert OptunaSearch(minimise=["val/fid"]).aims == [("val/fid", "min")]
    search = OptunaSearch(trials=2, minimise=["test/fid"], on_test=True)
    assert search.plan([LR]) == (2, [])
    play(search, tmp_path, [LR], scores=lambda words: {"test/fid": 1.0})
    assert search.report().title == "Best of 2 trials by test/fid, chosen on the test set"


def test_a_score_that_the_jobs_will_not_have_is_refused_before_training(cli, tmp_path):
    refused = cli("train", "-m", "search=optuna", "beta=interval(1,4)", "dataset=digits", "search.minimise=[val/fid]")
    assert refused.status == 2
    assert "the search needs val/fid, which metrics= does not compute; type metrics=[fast,val_fid]" in refused.err
    assert not (tmp_path / "outputs").exists()
    refuse_uncomputed([("val/fid", "min"), ("val/elbo", "max")], ["val_loss_terms", "val_fid"])
    refuse_uncomputed([("val/somebodys_own", "min")], [])  # the metric of another package


def test_a_score_that_no_job_gives_is_named_with_those_that_are_there(tmp_path):
    with pytest.raises(UserError, match="has no score val/elbo to optimise; its scores: val/loss"):
        play(OptunaSearch(trials=3), tmp_path, scores=lambda words: {"val/loss": 1.0})


def test_a_missing_package_is_reported(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"search=optuna needs the package optuna: pip install 'vae-lab\[optuna\]'"):
        OptunaSearch().plan([LR])


def test_a_sweep_is_searched_killed_and_gone_on_with(cli, tmp_path):
    words = ["train", "-m", "dataset=digits", "dataset.limit=16", "batch_size=8", "epochs=1", "logger=none",
             "metrics=[val_loss_terms]", "figures=none", "model=dense", "search=optuna",
             "search.minimise=[val/loss]", "search.maximise=[val/kl]", "latent_dim=range(2,9)",
             "lr=tag(log,interval(1e-4,1e-2))", "sweep=s"]  # fmt: skip
    dry = cli(*words, "search.trials=2", "dry_run=true")
    assert dry.status == 0, dry.err
    assert "2 jobs, varying latent_dim (2, 3, 4, 5, 6, 7, 8), lr (0.0001 to 0.01, log scale)" in dry.out
    assert not (tmp_path / "outputs").exists()
    ended = cli(*words, "search.trials=2")
    assert ended.status == 0, ended.err
    sweep = tmp_path / "outputs" / "sweeps" / "s"
    assert len(list(sweep.glob("*/results.json"))) == 2
    assert json.loads((sweep / "sweep.json").read_text())["pareto"] == [["val/loss", "min"], ["val/kl", "max"]]
    assert "Pareto front" in ended.out
    more = cli(*words, "search.trials=3")
    assert more.status == 0, more.err
    assert "2 trials ended in an earlier invocation" in more.out
    assert "1/1 finished" in more.out
    for path in sweep.glob("*/config.yaml"):
        import yaml

        config = yaml.safe_load(path.read_text())
        assert isinstance(config["latent_dim"], int)
        assert Path(path.parent).name == f"latent_dim-{config['latent_dim']}_lr-{config['lr']:.4g}"
