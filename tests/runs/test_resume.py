"""Tests of resuming runs that were interrupted, killed, moved or damaged."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from conftest import BARE, PROGRAM
from helpers import curves_of, scores_of, weights_of

STATEFUL = ["train", "dataset=digits", "epochs=8", "batch_size=8", "likelihood=sigma", "beta_schedule=linear",
            "beta_schedule.epochs=6", "scheduler=cosine", "dataset.noise_std=0.2", "dataset.noise_share=0.5",
            "figures=none", "metrics=loss_terms"]  # fmt: skip


def _stop_in_the_middle(words: list[str], folder: Path, how: signal.Signals, after_epochs: int = 3):
    """Start a run, send it a signal in the middle of a later epoch, and return its exit status and its output."""
    process = subprocess.Popen(
        [PROGRAM, *words, f"hydra.run.dir={folder.name}"], cwd=folder.parent, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    history = folder / "metrics.csv"
    while not history.exists() or len(history.read_text().splitlines()) <= after_epochs:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.1)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert not (folder / "results.json").exists(), f"the run ended before the signal arrived:\n{out}\n{err}"
    return process.returncode, out, err


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(
        [PROGRAM, *STATEFUL, "logger=none", "hydra.run.dir=run"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_killed_and_resumed_ends_with_the_same_weights(tmp_path, program, undisturbed):
    status, _, _ = _stop_in_the_middle([*STATEFUL, "logger=none"], tmp_path / "run", signal.SIGKILL)
    assert status == -signal.SIGKILL
    resumed = program("train", "resume=run")
    assert resumed.returncode == 0, resumed.stderr
    whole, pieces = weights_of(undisturbed), weights_of(tmp_path / "run")
    assert set(whole) == set(pieces)
    assert all(torch.equal(whole[key], pieces[key]) for key in whole)
    assert curves_of(undisturbed) == curves_of(tmp_path / "run")
    assert (tmp_path / "run" / "picture.png").read_bytes() == (undisturbed / "picture.png").read_bytes()
    assert scores_of(undisturbed) == scores_of(tmp_path / "run")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_states_how_to_resume_and_keeps_its_wandb_id(tmp_path, program, how):
    status, _, err = _stop_in_the_middle(STATEFUL, tmp_path / "run", how)
    assert status == 130
    assert err.strip().splitlines()[-1].endswith("vae-lab train resume=run")
    assert "Traceback" not in err
    resumed = program("train", "resume=run")
    assert resumed.returncode == 0, resumed.stderr
    assert len(curves_of(tmp_path / "run")) == 8
    identities = {path.name.rsplit("-", 1)[1] for path in (tmp_path / "run" / "wandb").glob("offline-run-*")}
    assert identities == {json.loads((tmp_path / "run" / "environment.json").read_text())["run_id"]}


def test_interrupted_run_is_not_started_over_by_accident(cli, run_copy):
    (run_copy / "results.json").unlink()
    ended = cli("train", "dataset=digits", "hydra.run.dir=run")
    assert ended.status == 2
    assert "vae-lab train resume=run" in ended.err
    assert "vae-lab train resume=run" in cli("evaluate", "run=run").err


def test_run_stopped_while_scoring_is_scored_by_resume(cli, run_copy):
    before = scores_of(run_copy)
    (run_copy / "results.json").unlink()
    ended = cli("train", "resume=run")
    assert ended.status == 0, ended.err
    assert scores_of(run_copy) == pytest.approx(before)


def test_best_survives_a_move_of_the_folder(cli, tmp_path):
    """A raised learning rate makes the epoch after resuming worse, so best.ckpt must stay that of an earlier epoch."""
    words = ["dataset=digits", "epochs=3", *BARE, "hydra.run.dir=run"]
    assert cli("train", *words).status == 0
    (tmp_path / "run" / "results.json").unlink()
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    content = torch.load(moved / "checkpoints" / "last.ckpt", weights_only=True)
    content["optimizer_states"][0]["param_groups"][0]["lr"] = 0.03
    torch.save(content, moved / "checkpoints" / "last.ckpt")
    config = (moved / "config.yaml").read_text()
    (moved / "config.yaml").write_text(config.replace("epochs: 3", "epochs: 4"))
    ended = cli("train", "resume=moved")
    assert ended.status == 0, ended.err
    losses = [float(row["val/loss"]) for row in curves_of(moved)]
    assert losses[3] > losses[2]
    assert torch.load(moved / "checkpoints" / "best.ckpt", weights_only=True)["epoch"] == 2


def test_damaged_checkpoint_is_reported_on_resume(cli, run_copy):
    (run_copy / "results.json").unlink()
    last = run_copy / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    ended = cli("train", "resume=run")
    assert ended.status == 2
    assert "last.ckpt" in ended.err
