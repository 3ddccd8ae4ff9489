"""Tests of loggers without a run: settings as words, resumed TensorBoard files, the upload of several parts."""

import sys
from pathlib import Path

import pytest

from vae_lab.report.loggers import LogContext, _as_typed, close, hyperparameters, tensorboard_logger, upload_advice

CONFIG = {
    "beta": 4,
    "model": {"_target_": "a.VAE", "width": 8},
    "scheduler": {"interval": "epoch", "make": None},
    "sampler": {},
    "training": {"clip": None},
    "choices": {"model": "cnn", "scheduler": "none", "sampler": "prior", "experiment": None},
}


def test_groups_are_words_and_their_numbers_stand_under_options():
    found = hyperparameters(LogContext(Path("run"), CONFIG, {"parameters": 100, "git_commit": "abc", "seed": 3}))
    assert found == {
        "beta": 4,
        "training": {"clip": None},
        "model": "cnn",
        "scheduler": "none",
        "sampler": "prior",
        "parameters": 100,
        "git_commit": "abc",
        "options": {"model": CONFIG["model"], "scheduler": CONFIG["scheduler"]},
    }


def test_a_config_of_an_early_version_has_no_words():
    config = {key: value for key, value in CONFIG.items() if key != "choices"}
    found = hyperparameters(LogContext(Path("run"), config, {}))
    assert found["model"] == CONFIG["model"]
    assert found["parameters"] is None


def test_wandb_records_the_command_as_typed_and_not_the_words_for_hydra(monkeypatch):
    monkeypatch.setattr("sys.argv", ["vae-lab", "--config-dir=/tmp/copy"])
    typed = LogContext(Path("run"), {}, {"command": "vae-lab train 'from=a run' epochs=4"}, steps=0)
    with _as_typed(typed):
        assert sys.argv == ["vae-lab", "train", "from=a run", "epochs=4"]
    assert sys.argv == ["vae-lab", "--config-dir=/tmp/copy"]


def test_points_after_the_last_checkpoint_are_replaced_when_a_run_is_resumed(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for done, steps, value in ((0, range(1, 6), 1.0), (3, range(4, 8), 2.0)):
        logger = tensorboard_logger(LogContext(tmp_path, {}, {}, done))
        for step in steps:
            logger.log_metrics({"step/loss": value}, step=step)
        close([logger], failed=False)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("step/loss")
    assert [(event.step, event.value) for event in events] == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 2)]


@pytest.mark.parametrize(("parts", "name"), [(0, "run"), (1, "run"), (3, "run"), (2, "a run")])
def test_several_offline_parts_are_uploaded_by_one_command(tmp_path, parts, name):
    for part in range(parts):
        (tmp_path / name / "wandb" / f"offline-run-{part}-abc").mkdir(parents=True)
    advice = upload_advice(tmp_path / name)
    assert (advice is None) is (parts == 0)
    quoted = f"'{tmp_path / name}'" if " " in name else f"{tmp_path / name}"
    if advice:
        assert (f"in {parts} parts" in advice) is (parts > 1)
        assert advice.endswith(f"type wandb sync {quoted}/wandb/offline-run-*")
