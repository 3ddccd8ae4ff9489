"""Tests of samplers fitted after training, through the commands evaluate, sample, train, resume and compare."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BARE, TINY
from helpers import labelled, scores_of, small_model

from vae_lab.config.help import options
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError
from vae_lab.evaluation.sampled import _bare, _full
from vae_lab.evaluation.trained import Evaluation
from vae_lab.objectives.autoencoder import Autoencoder
from vae_lab.objectives.elbo import ELBO
from vae_lab.runs.run_folder import load_run
from vae_lab.schedules import Constant
from vae_lab.training.job import Job

SCORED = ["metrics=fast", "figures=images"]
OF_REAL_CODES = [
    name for name in options("sampler") if name not in ("prior", "code_transformer", "pixelcnn", "pixelsnail")
]
QUICK = {"flow": ["sampler.epochs=1"], "two_stage": ["sampler.epochs=1"]}


def protocol_of(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())["protocol"]


def saved(folder: Path, name: str = "gmm") -> dict:
    return torch.load(folder / "samplers" / f"{name}.pt", weights_only=True)


def pictures(folder: Path) -> set[str]:
    return {path.name for path in (folder / "figures").iterdir()}


@pytest.mark.parametrize("name", OF_REAL_CODES)
def test_evaluate_fits_saves_and_scores_beside_the_prior(cli, run_copy, name):
    before, drawn = scores_of(run_copy), pictures(run_copy)
    ended = cli("evaluate", "run=run", f"sampler={name}", *SCORED, *QUICK.get(name, []))
    assert ended.status == 0, ended.err
    after = scores_of(run_copy)
    assert {key: after[key] for key in before} == before
    new = set(after) - set(before)
    scored = {"fid", "fid_infinity"} & {key.removeprefix("test/") for key in before}
    scored |= {"label_distance", "label_confidence"}
    assert new == {f"test/{score}_{name}{end}" for score in scored for end in ("", "_floor")}
    assert after[f"test/fid_{name}_floor"] == before["test/fid_floor"]
    assert pictures(run_copy) - drawn == {
        f"{figure}_{name}.png" for figure in ("samples", "label_shares", "neighbours")
    }
    protocol = protocol_of(run_copy)
    assert (
        protocol[f"fid_{name}"]["sampler"] == f"decoder means of draws from {saved(run_copy, name)['about']['sampler']}"
    )
    assert protocol[f"fid_{name}"]["sampler"] != protocol["fid"]["sampler"]
    assert protocol["samplers"][name] == saved(run_copy, name)["about"]
    assert f"sampler={name}: " in ended.out


def test_the_same_settings_are_not_fitted_again_and_others_are(cli, run_copy):
    words = ["evaluate", "run=run", "sampler=gmm", "metrics=fid", "figures=none"]
    assert cli(*words).status == 0
    file = run_copy / "samplers" / "gmm.pt"
    written, fid = file.stat().st_mtime_ns, scores_of(run_copy)["test/fid_gmm"]
    assert cli(*words).status == 0
    assert (file.stat().st_mtime_ns, scores_of(run_copy)["test/fid_gmm"]) == (written, fid)
    assert cli(*words, "sampler.components=2").status == 0
    assert file.stat().st_mtime_ns > written
    assert saved(run_copy)["about"]["components"] == 2
    assert scores_of(run_copy)["test/fid_gmm"] != fid


def test_scores_of_a_fit_that_was_replaced_are_withdrawn(cli, run_copy):
    assert cli("evaluate", "run=run", "sampler=gmm", *SCORED).status == 0
    assert "test/label_distance_gmm" in scores_of(run_copy)
    ended = cli("evaluate", "run=run", "sampler=gmm", "sampler.components=2", "metrics=fid", "figures=none")
    assert ended.status == 0, ended.err
    assert "test/label_distance_gmm" not in scores_of(run_copy)
    assert "label_distribution_gmm" not in protocol_of(run_copy)
    assert {"test/fid_gmm", "test/label_distance"} <= set(scores_of(run_copy))


def test_other_weights_are_fitted_anew(cli, run_copy):
    words = ["evaluate", "run=run", "sampler=gmm", "metrics=none", "figures=none"]
    assert cli(*words).status == 0
    before = saved(run_copy)
    path = run_copy / "checkpoints" / "best.ckpt"
    content = torch.load(path, weights_only=True)
    content["state_dict"] = {key: 1.1 * value for key, value in content["state_dict"].items()}
    torch.save(content, path)
    assert cli("sample", "run=run", "sampler=gmm", "n=4").status == 0
    after = saved(run_copy)
    assert after["about"]["weights_sha256"] != before["about"]["weights_sha256"]
    assert not torch.equal(after["state"]["means"], before["state"]["means"])


def test_figures_alone_are_drawn_from_earlier_scores(cli, run_copy):
    assert cli("evaluate", "run=run", "sampler=gmm", "metrics=[fast,novelty]", "figures=none").status == 0
    ended = cli("evaluate", "run=run", "sampler=gmm", "metrics=none", "figures=images")
    assert ended.status == 0, ended.err
    assert {"samples_gmm.png", "label_shares_gmm.png", "novelty_gmm.png"} <= pictures(run_copy)


def test_train_scores_the_prior_and_the_sampler(cli, tmp_path):
    words = ["dataset=digits", "epochs=1", "sampler=gmm", "sampler.components=[1,2]", "metrics=fid", "figures=samples"]
    ended = cli("train", *words, "logger=none", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    assert {"test/fid", "test/fid_gmm", "test/fid_gmm_floor", "test/fid_reconstructions"} <= set(
        scores_of(tmp_path / "run")
    )
    assert not any("reconstructions_gmm" in name for name in scores_of(tmp_path / "run"))
    assert pictures(tmp_path / "run") == {"samples.png", "samples_gmm.png"}
    assert list(saved(tmp_path / "run")["about"]["bic"]) == ["1", "2"]
    assert load_run(tmp_path / "run").config["choices"]["sampler"] == "gmm"


def test_a_run_stopped_while_its_sampler_was_scored_ends_the_same_by_resume(cli, tmp_path):
    words = [*TINY, "metrics=label_distribution", "figures=none", "logger=none", "sampler=two_stage"]
    assert cli("train", *words, "hydra.run.dir=run").status == 0
    run = tmp_path / "run"
    scores, kept = scores_of(run), saved(run, "two_stage")
    (run / "results.json").unlink()
    assert cli("train", "resume=run").status == 0
    assert scores_of(run) == scores
    assert saved(run, "two_stage")["about"]["seconds"] == kept["about"]["seconds"]  # the one that was there
    (run / "results.json").unlink()
    (run / "samplers" / "two_stage.pt").unlink()
    assert cli("train", "resume=run").status == 0
    assert scores_of(run) == scores


@pytest.mark.parametrize("name", OF_REAL_CODES)
def test_an_objective_that_is_not_variational_has_all_samplers(cli, tmp_path, name):
    words = [*TINY, *BARE, "objective=ae", f"sampler={name}", *QUICK.get(name, [])]
    ended = cli("train", *words, "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    assert saved(tmp_path / "run", name)["about"]["codes"].startswith("the code of each of ")


def test_samples_are_written_under_the_samplers_name(cli, run_copy):
    ended = cli("sample", "run=run", "sampler=gmm", "n=7", "seed=3")
    assert ended.status == 0, ended.err
    images = np.load(run_copy / "samples" / "n7-seed3-gmm.npy")
    assert images.shape == (7, 1, 8, 8)
    assert (run_copy / "samples" / "n7-seed3-gmm.png").exists()
    assert cli("sample", "run=run", "n=7", "seed=3").status == 0
    assert not np.array_equal(np.load(run_copy / "samples" / "n7-seed3.npy"), images)
    again = load_run(run_copy).sample(7, seed=3, sampler="gmm")
    assert np.array_equal(again.numpy(), images)
    assert np.array_equal(load_run(run_copy).sample(3, seed=3, sampler="gmm").numpy(), images[:3])


def test_sample_takes_the_sampler_that_was_fitted_whatever_its_settings(cli, run_copy):
    assert cli("evaluate", "run=run", "sampler=gmm", "sampler.components=2", "metrics=none", "figures=none").status == 0
    assert cli("sample", "run=run", "sampler=gmm", "n=3").status == 0
    assert saved(run_copy)["about"]["components"] == 2
    refused = cli("sample", "run=run", "sampler=gmm", "sampler.components=5", "n=4")
    assert refused.status == 2
    assert "fitted under other settings" in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert cli("sample", "run=run", "sampler=gmm", "sampler.components=2", "n=4").status == 0


def test_a_notebook_names_a_sampler_by_its_option(run_copy):
    run = load_run(run_copy)
    assert run.sample(5, sampler="aggregate").shape == (5, 1, 8, 8)
    assert (run_copy / "samplers" / "aggregate.pt").exists()
    with pytest.raises(UserError, match=r"sampler=gm: no such option \(did you mean 'gmm'\?\)"):
        run.sample(5, sampler="gm")


def test_compare_shows_the_samplers_scores_and_which_is_better(cli, tmp_path):
    for beta in (1, 4):
        words = ["dataset=digits", "epochs=1", f"beta={beta}", "metrics=fid", "figures=none", "logger=none"]
        assert cli("train", *words, "sampler=gmm", f"hydra.run.dir=runs/{beta}").status == 0
    ended = cli("compare", "runs", "grids=0")
    assert ended.status == 0, ended.err
    header = next(line for line in ended.out.splitlines() if "fid_gmm" in line)
    assert header.split()[:3] == ["beta", "fid", "fid_gmm"]
    assert ended.out.count("▸") >= 3
    assert "fid_gmm" in next((tmp_path / "outputs" / "compare").glob("*/summary.csv")).read_text().splitlines()[0]


def evaluation(objective) -> Evaluation:
    data = Dataset("fake", _Source(), Path(), 5, 0)
    return Evaluation(Job(small_model(), objective), data, 0, torch.device("cpu"))


class _Source:
    def load(self, root):
        return labelled(40), labelled(12, seed=1)


def test_codes_are_one_draw_per_training_image_in_order():
    made = evaluation(ELBO(1.0, 1.0, 1, "B", Constant()))
    codes, (q, _) = made.code_draws(), made.codes("train")
    assert codes.shape == (36, 3)
    assert torch.equal(made.code_draws(), codes)
    eps = (codes - q.mu) / torch.exp(0.5 * q.log_var)
    assert eps.std().item() == pytest.approx(1, abs=0.25)
    assert abs(eps.mean().item()) < 0.3


def test_codes_of_an_autoencoder_are_its_means():
    made = evaluation(Autoencoder())
    assert torch.equal(made.code_draws(), made.codes("train")[0].mu)


@pytest.mark.parametrize("end", ["", "_floor", "_split_floor"])
def test_the_name_of_a_sampler_stands_before_the_end_of_a_floor(end):
    assert _full(f"fid_inception{end}", "two_stage") == f"fid_inception_two_stage{end}"
    assert _bare(f"fid_inception_two_stage{end}", "two_stage") == f"fid_inception{end}"
    assert _bare(f"fid_inception{end}", "two_stage") is None
