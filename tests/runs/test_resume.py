"""Tests of resuming runs that were interrupted, killed, moved or damaged."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import BARE, PROGRAM
from helpers import curves_of, scores_of, weights_of

from vae_lab.training.checkpoints import is_whole

STATEFUL = ["train", "dataset=digits", "epochs=8", "batch_size=8", "likelihood=sigma", "beta_schedule=linear",
            "beta_schedule.epochs=6", "scheduler=cosine", "dataset.noise_std=0.2", "dataset.noise_share=0.5",
            "figures=none", "metrics=loss_terms"]  # fmt: skip
SHORT = ["dataset=digits", "dataset.limit=64", "batch_size=16", "model=dense", "logger=none", "metrics=loss_terms",
         "figures=none"]  # fmt: skip


# Sends itself a signal in the middle of the fifth epoch. From outside, on a busy machine, it could arrive too late.
STOPPED = """
import os, signal, sys
from vae_lab.cli import program
from vae_lab.training.engine import Engine

signal.signal(signal.SIGINT, signal.default_int_handler)  # a process started in the background ignores it

def take(self, batch, at, taken=Engine.take):
    if at.epoch == 4 and at.batch == at.batches // 2:
        os.kill(os.getpid(), HOW)
    return taken(self, batch, at)

Engine.take = take
program()
"""


def _stop_in_the_middle(words: list[str], folder: Path, how: signal.Signals):
    """Start a run that stops itself by a signal in the middle of an epoch; return its exit status and its output."""
    code = STOPPED.replace("HOW", str(int(how)))
    command = [sys.executable, "-c", code, *words, f"hydra.run.dir={folder.name}"]
    ended = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False, timeout=300)
    assert not (folder / "results.json").exists()
    return ended.returncode, ended.stdout, ended.stderr


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


def _cut(run: Path, *names: str) -> None:
    for name in names:
        path = run / "checkpoints" / name
        path.write_bytes(path.read_bytes()[:1000])


def test_a_run_whose_checkpoints_are_all_damaged_is_refused_with_the_way_out(cli, run_copy):
    (run_copy / "results.json").unlink()
    _cut(run_copy, "last.ckpt", "best.ckpt")
    ended = cli("train", "resume=run")
    assert ended.status == 2
    told = " ".join(ended.err.split())
    assert "run/checkpoints/last.ckpt and run/checkpoints/best.ckpt are truncated or corrupt" in told
    assert "remove run/checkpoints to train this run from the beginning" in told


@pytest.mark.parametrize("problem", ["damaged", "missing"])
def test_without_its_last_checkpoint_a_run_continues_from_the_best_one(cli, tmp_path, problem):
    assert cli("train", *SHORT, "epochs=2", "hydra.run.dir=half").status == 0
    assert cli("train", *SHORT, "epochs=4", "hydra.run.dir=run").status == 0
    run = tmp_path / "run"
    scores, curves, weights = scores_of(run), curves_of(run), weights_of(run)
    (run / "results.json").unlink()
    if problem == "damaged":
        _cut(run, "last.ckpt")
    else:
        (run / "checkpoints" / "last.ckpt").unlink()
    shutil.copy(tmp_path / "half" / "checkpoints" / "best.ckpt", run / "checkpoints" / "best.ckpt")
    ended = cli("train", "resume=run")
    assert ended.status == 0, ended.err
    assert f"Resumed after epoch 2 of 4 from best.ckpt, because last.ckpt is {problem}" in ended.out
    assert scores_of(run) == scores
    assert curves_of(run) == curves
    assert all(torch.equal(value, weights[key]) for key, value in weights_of(run).items())


def test_a_run_killed_between_the_checkpoints_of_its_last_epoch_ends_with_both(cli, tmp_path):
    assert cli("train", *SHORT, "epochs=2", "hydra.run.dir=run").status == 0
    run, scores = tmp_path / "run", scores_of(tmp_path / "run")
    (run / "results.json").unlink()
    (run / "checkpoints" / "last.ckpt").replace(run / "checkpoints" / "best.ckpt")  # SHORT's last epoch is its best
    ended = cli("train", "resume=run")
    assert ended.status == 0, ended.err
    assert "Resumed after epoch 2 of 2 from best.ckpt, because last.ckpt is missing; all are done" in ended.out
    assert is_whole(run / "checkpoints" / "last.ckpt")
    assert scores_of(run) == scores


def test_without_its_best_checkpoint_a_run_is_scored_with_the_last_one_and_says_so(cli, run_copy):
    (run_copy / "results.json").unlink()
    _cut(run_copy, "best.ckpt")
    refused = cli("evaluate", "run=run")
    assert "vae-lab train resume=run" in refused.err
    ended = cli("train", "resume=run")
    assert ended.status == 0, ended.err
    results = json.loads((run_copy / "results.json").read_text())
    assert results["protocol"]["checkpoint"] == {"which": "last epoch", "epoch": 15, "file": "last.ckpt"}
    (note,) = [note for note in results["notes"] if "best.ckpt" in note]
    assert note.startswith("best.ckpt was damaged, so the scores are those of the last epoch, 15")
    assert "best.ckpt was damaged" in " ".join(ended.out.split())
    assert cli("evaluate", "run=run", "metrics=loss_terms", "figures=none").status == 0
    assert scores_of(run_copy)["test/elbo"] == results["metrics"]["test/elbo"]


@pytest.mark.parametrize("command", [["evaluate", "run=run"], ["sample", "run=run", "n=2", "out=new"]])
def test_a_finished_run_without_its_weights_says_what_can_be_done(cli, run_copy, command):
    _cut(run_copy, "best.ckpt")
    ended = cli(*command)
    assert ended.status == 2
    assert ended.err.count("\n") == 1
    assert "run/checkpoints/best.ckpt is truncated or corrupt; the scores in results.json remain valid" in ended.err
    assert "move results.json away and type vae-lab train resume=run" in ended.err
    _cut(run_copy, "last.ckpt")
    assert "vae-lab train --config-dir=run --config-name=config" in cli(*command).err


@pytest.mark.parametrize("file", ["last.ckpt", "results.json"])
def test_a_full_disk_ends_a_run_in_one_line_and_resume_finishes_it(cli, tmp_path, monkeypatch, file):
    words = [*SHORT, "epochs=3"]
    assert cli("train", *words, "hydra.run.dir=whole").status == 0
    sync, writes = os.fsync, []

    def full(number):
        writes.append(os.readlink(f"/proc/self/fd/{number}"))
        if sum(f"/.{file}." in name for name in writes) == (2 if file == "last.ckpt" else 1):
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(number)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        ended = cli("train", *words, "hydra.run.dir=run")
    assert ended.status == 1
    place = "run/checkpoints" if file == "last.ckpt" else "run"
    assert f"{place}/{file} could not be written (No space left on device)" in ended.err
    assert ended.err.endswith("Make room, and type vae-lab train resume=run\n")
    assert ended.err.count("\n") == 1
    assert not [path.name for path in (tmp_path / "run").rglob(".*")]
    assert cli("train", "resume=run").status == 0
    assert scores_of(tmp_path / "run") == scores_of(tmp_path / "whole")
