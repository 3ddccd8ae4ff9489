"""Tests of runs that begin from another one: from its last state (from=), or from its weights alone (init=)."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from conftest import BARE, TINY
from helpers import curves_of, weights_of

from vae_lab.compare.reading import read
from vae_lab.compare.settings import differing
from vae_lab.compare.views.links import links_of

WORDS = [*TINY[:4], *BARE, "model=dense", "model.net.width=8", "scheduler=cosine"]


def state_of(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_goes_on_in_a_new_folder_as_the_longer_run(cli):
    """With a constant rate, two epochs and two more are four epochs: weights, moments, noise and steps go on."""
    words = [*WORDS, "scheduler=none", "likelihood=sigma", "objective=factor_vae", "beta_schedule=linear"]
    assert cli("train", *words, "epochs=2", "hydra.run.dir=short").status == 0
    assert cli("train", *words, "epochs=4", "hydra.run.dir=long").status == 0
    before = content_of(Path("short"))
    ended = cli("train", "from=short", "epochs=4", "hydra.run.dir=more")
    assert ended.status == 0, ended.err
    assert f"Begins from epoch 2 of {Path('short').absolute()}, which stays as it is" in ended.out
    assert content_of(Path("short")) == before
    torch.testing.assert_close(weights_of(Path("more")), weights_of(Path("long")), rtol=0, atol=0)
    assert curves_of(Path("more")) == curves_of(Path("long"))  # the first two rows are those of the shorter run
    environment = json.loads(Path("more/environment.json").read_text())
    assert (environment["continues"]["epoch"], environment["continues"]["step"]) == (2, 4)
    assert environment["continues"]["history"] == "the first 2 rows of metrics.csv are those of that run"
    assert environment["command"] == "vae-lab train from=short epochs=4 hydra.run.dir=more"
    config = yaml.safe_load(Path("more/config.yaml").read_text())
    assert (config["continues"], config["epochs"]) == (str(Path("short").absolute()), 4)


def test_the_folder_is_named_after_the_run_and_comparisons_do_not_count_the_origin_as_a_setting(cli):
    assert cli("train", *WORDS, "epochs=1", "hydra.run.dir=outputs/day/10-00-00-first").status == 0
    assert cli("train", "from=outputs/day/10-00-00-first", "epochs=2").status == 0
    (new,) = Path("outputs").glob("*/*from*")
    assert re.fullmatch(r"\d\d-\d\d-\d\d-from-first-epochs-2", new.name)
    records = [read(folder) for folder in (Path("outputs/day/10-00-00-first"), new)]
    assert [setting.name for setting in differing(records)] == ["epochs"]
    assert links_of(records[1], Path())["begun"] == "from 10-00-00-first, after epoch 1"


def test_dashboards_show_the_whole_course_at_its_steps(cli):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert cli("train", *WORDS, "epochs=2", "hydra.run.dir=short").status == 0
    ended = cli("train", "from=short", "epochs=3", "logger=tensorboard", "hydra.run.dir=more")
    assert ended.status == 0, ended.err
    events = EventAccumulator("more/tensorboard").Reload()
    assert [event.step for event in events.Scalars("val/loss")] == [2, 4, 6]
    assert [event.value for event in events.Scalars("epoch")] == [1, 2, 3]


def test_the_learning_rate_is_that_of_the_longer_schedule(cli):
    assert cli("train", *WORDS, "epochs=2", "hydra.run.dir=short").status == 0
    assert cli("train", "from=short", "epochs=4", "lr=1e-2", "hydra.run.dir=more").status == 0
    scheduler = state_of(Path("more"))["lr_schedulers"][0]
    assert (scheduler["T_max"], scheduler["base_lrs"], scheduler["last_epoch"]) == (4, [1e-2], 4)
    rates = [float(line.split(",")[-2]) for line in Path("more/metrics.csv").read_text().splitlines()[1:]]
    assert rates[2:] == pytest.approx([1e-2 / 2, 1e-2 * (1 - 2**-0.5) / 2], rel=1e-4)  # epochs 2 and 3 of 4


def test_the_weights_alone_can_be_taken(cli):
    assert cli("train", *WORDS, "epochs=1", "hydra.run.dir=first").status == 0
    ended = cli("train", *WORDS, "init=first", "lr=1e-30", "objective=wae", "hydra.run.dir=second")
    assert ended.status == 0, ended.err
    torch.testing.assert_close(weights_of(Path("second")), weights_of(Path("first")))
    assert json.loads(Path("second/environment.json").read_text())["init"]["epoch"] == 1
    rows = Path("second/metrics.csv").read_text().splitlines()
    assert rows[1].startswith("1,")  # epochs are counted anew


def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_written(cli):
    assert cli("train", *WORDS, "epochs=2", "hydra.run.dir=first").status == 0
    for words, told in (
        (["from=first"], "first: this run has trained for its 2 epochs; type from="),
        (["from=first", "epochs=1"], "2 epochs are done, and epochs=1 counts them, too; type epochs=4, or any"),
        (["from=first", "epochs=4", "optimizer=sgd"], "its optimizer is torch.optim.Adam, not torch.optim.SGD"),
        (["from=nowhere"], "from=nowhere: no run folder (no config.yaml in it)"),
        (["-m", "from=first", "seed=1,2"], "--multirun: from= continues one run"),
        ([*WORDS, "init=first", "model.net.width=9"], "(model.net.width=8 there and 9 here); type model.net.width=8"),
        (["from=first", "epochs=4", "latent_dim=7"], "(latent_dim=16 there and 7 here); type latent_dim=16"),
        (["from=first", "epochs=4", "init=first"], "from= and init= exclude each other"),
        (["resume=first", "epochs=4"], "type vae-lab train from=first epochs=<all epochs>"),
        (["resume=first"], "this run is finished; for more epochs, type vae-lab train from=first epochs=4"),
    ):
        ended = cli("train", *words, *([] if words[0].startswith("resume") else ["hydra.run.dir=second"]))
        assert ended.status == 2
        assert told in ended.err
        assert ended.err.count("\n") == 1
        assert not Path("second").exists()


def test_a_setting_that_others_refer_to_reaches_them_when_a_run_is_repeated(cli):
    assert cli("train", *WORDS, "epochs=1", "dataset.batch_size=4", "hydra.run.dir=first").status == 0
    again = ["--config-dir=first", "--config-name=config", "seed=1", "epochs=2", "batch_size=2", "lr=0.1",
             "optimizer=sgd", "metrics=loss_terms"]  # fmt: skip
    assert cli("train", *again, "hydra.run.dir=second").status == 0
    config = yaml.safe_load(Path("second/config.yaml").read_text())
    assert config["dataset"]["seed"] == 1
    assert config["scheduler"]["make"]["T_max"] == 2
    assert config["optimizer"] == {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1, "momentum": 0.9,
                                   "weight_decay": 0.0}  # fmt: skip
    assert (config["choices"]["optimizer"], config["choices"]["model"]) == ("sgd", "dense")
    assert list(config["metrics"]) == ["loss_terms"]
    assert config["dataset"]["batch_size"] == 4  # typed, so it is kept
