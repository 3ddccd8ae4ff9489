"""Tests of the state of a run folder, and of the lock that admits one process at a time."""

import subprocess
import sys

import pytest
import yaml

from vae_lab.config.composing import composer
from vae_lab.config.conf import CONF
from vae_lab.errors import UserError
from vae_lab.runs import state

HOLD = "import sys, time; from pathlib import Path; from vae_lab.runs.state import in_use\n" \
       "with in_use(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"  # fmt: skip


def test_status_goes_from_new_to_finished(tmp_path):
    assert state.status_of(tmp_path) == "new"
    (tmp_path / "config.yaml").write_text("a: 1")
    assert state.status_of(tmp_path) == "interrupted"
    state.write_failure(tmp_path, "loss became NaN")
    assert state.status_of(tmp_path) == "failed"
    assert state.failure_of(tmp_path) == "loss became NaN"
    (tmp_path / "results.json").write_text("{}")
    assert state.status_of(tmp_path) == "finished"


def test_a_damaged_failure_has_no_reason(tmp_path):
    (tmp_path / "failure.json").write_text('{"reason": "cut')
    assert state.failure_of(tmp_path) == ""


@pytest.mark.parametrize(
    ("epochs", "share"), [((), 0), ((1, 2), 0.5), ((0, 1), 0.5), (range(1, 5), 1), ((3,), 0.75), (range(1, 9), 1)]
)
def test_share_done_is_that_of_the_last_epoch(tmp_path, epochs, share):
    rows = "".join(f"{epoch},{10 * epoch}\n" for epoch in epochs)
    (tmp_path / "metrics.csv").write_text(f"epoch,step\n{rows}")
    assert state.share_done(tmp_path, 4) == share


def test_share_done_of_a_damaged_or_missing_history_is_none(tmp_path):
    assert state.share_done(tmp_path, 4) == 0
    (tmp_path / "metrics.csv").write_text("epoch,step\n0,1\n" + "9" * 200_000)
    assert state.share_done(tmp_path, 4) == 0


def test_a_lock_that_cannot_be_taken_is_reported(tmp_path):
    (tmp_path / ".lock").mkdir()
    assert not state.is_in_use(tmp_path)
    with (
        pytest.raises(UserError, match=r"\.lock cannot be locked \(Is a directory\); remove it"),
        state.in_use(tmp_path),
    ):
        pass


def test_one_process_at_a_time_and_a_killed_one_lets_go(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        assert state.is_in_use(tmp_path)
        with pytest.raises(UserError, match="in use by another process"), state.in_use(tmp_path):
            pass
    finally:
        holder.kill()
        holder.wait()
    assert not state.is_in_use(tmp_path)
    with state.in_use(tmp_path):
        assert state.is_in_use(tmp_path)
    assert not any(tmp_path.iterdir())


def test_identity_covers_the_settings_that_change_the_numbers():
    config = {"lr": 1e-5, "data_dir": "a", "logger": {}, "choices": {}, "accelerator": {"kind": "cpu", "devices": 1}}
    same = {**config, "data_dir": "b", "logger": {"x": 1}, "accelerator": {"devices": 1, "kind": "auto"}}
    assert state.identity(config) == state.identity(same)
    assert state.identity(config) != state.identity({**config, "lr": 1e-4})
    assert state.identity(config) != state.identity({**config, "accelerator": {"kind": "cpu", "devices": 2}})


def test_a_saved_config_is_the_one_that_was_written(tmp_path):
    config = {"lr": 1e-5, "k1": 1.0, "accelerator": {"devices": 1}, "name": "β", "none": None, "flag": True}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    assert state.identity(state.saved_config(tmp_path)) == state.identity(config)
    for damaged in ("lr: [1", "just text", "accelerator: 3"):
        (tmp_path / "config.yaml").write_text(damaged)
        assert state.saved_config(tmp_path) is None


def test_settings_that_an_option_has_gained_do_not_count_with_their_earlier_value():
    before = {"accelerator": {}, "metrics": {"loss_terms": {"_target_": "x"}}, "sampler": {"lr": 0.1}}
    now = {"accelerator": {}, "metrics": {"loss_terms": {"_target_": "x", "draws": 1}},
           "sampler": {"lr": 0.1, "fresh_codes": False, "halve_every": None}}  # fmt: skip
    assert state.identity(before) == state.identity(now)
    assert now["metrics"]["loss_terms"]["draws"] == 1  # the config itself is not changed
    now["metrics"]["loss_terms"]["draws"] = 5
    assert state.identity(before) != state.identity(now)


def test_what_the_default_lists_have_gained_does_not_count():
    """Otherwise earlier sweeps would run again."""
    with composer(["dataset=digits"]) as compose:
        now = compose([])
    figures = {"reconstructions", "samples", "class_samples", "curves", "latent_space", "kl_per_dimension", "typical",
               "label_shares", "novelty", "nll_bounds", "denoising", "ood_roc", "noise_to_digit"}  # fmt: skip
    metrics = {"loss_terms", "val_loss_terms", "latent_use", "fid", "label_distribution", "conditional_accuracy"}
    before = {**now, "figures": {name: now["figures"][name] for name in figures},
              "metrics": {name: now["metrics"][name] for name in metrics}}  # fmt: skip
    assert state.identity(before) == state.identity(now)
    assert len(before["figures"]) < len(now["figures"])


def test_a_metric_of_the_user_and_changed_settings_of_a_new_one_count():
    usual = {"accelerator": {}, "metrics": {"loss_terms": {"_target_": "x"}}}
    levels = yaml.safe_load((CONF / "metrics" / "levels.yaml").read_text())
    assert state.identity(usual) == state.identity({**usual, "metrics": {**usual["metrics"], **levels}})
    levels["levels"]["images"] = 7
    for more in (levels, {"mine": {"_target_": "mylab.Mine"}}, {"fid": {"_target_": "y"}}):
        assert state.identity(usual) != state.identity({**usual, "metrics": {**usual["metrics"], **more}}), more
