"""Tests of whole stacks: jobs that end early, fail, are stopped, resumed, or have to be trained alone."""

import json

import pytest
import stacked_runs
import torch
from helpers import curves_of, weights_of
from rich.console import Console
from stacked_runs import NETS, Stopping, jobs_of, train_alone, train_together

from vae_lab.commands.train import resume
from vae_lab.runs.state import failure_of, status_of
from vae_lab.stack import fit as fitting
from vae_lab.stack import together
from vae_lab.stack.lit_stack import LitStack

DENSE = NETS["dense"]


def same_curves(a, b, rel=1e-4):
    ours, theirs = curves_of(a.folder), curves_of(b.folder)
    assert len(ours) == len(theirs)
    for row, other in zip(ours, theirs):
        assert {k: float(v) for k, v in row.items()} == pytest.approx({k: float(v) for k, v in other.items()}, rel=rel)


def test_epochs_schedules_and_patience_are_each_jobs_own(tmp_path):
    each = ["epochs=1 lr=1e-3", "epochs=3 scheduler=cosine", "epochs=2 scheduler=steps scheduler.interval=step",
            "epochs=9 lr=1e-30 training.patience=1"]  # fmt: skip
    alone, stacked = (jobs_of(tmp_path / where, DENSE, each) for where in ("alone", "stack"))
    train_alone(alone)
    ended, apart = train_together(stacked)
    assert {one.status for one in ended.values()} == {"finished"}
    assert apart == []
    assert [len(curves_of(job.folder)) for job in stacked] == [1, 3, 2, 2]
    for job, other in zip(stacked, alone):
        same_curves(job, other)
        environment = json.loads((job.folder / "environment.json").read_text())
        assert environment["stacked"] == 4
        for name in ("best.ckpt", "last.ckpt"):
            sizes = [(one.folder / "checkpoints" / name).stat().st_size for one in (job, other)]
            assert sizes[0] == pytest.approx(sizes[1], rel=0.1)  # a slice that was not copied has all jobs in it


def test_a_job_of_a_stack_is_resumed_alone_with_the_numbers_of_a_run_alone(tmp_path):
    each = ["beta=1 seed=0", "beta=4 seed=1 scheduler=steps scheduler.interval=step", "beta=2 seed=2 lr=1e-4"]
    stacked = jobs_of(tmp_path / "stack", [*DENSE, "epochs=2"], each)
    longer = jobs_of(tmp_path / "alone", [*DENSE, "epochs=3"], each)
    train_together(stacked)
    train_alone(longer)
    for job, whole in zip(stacked, longer):
        (job.folder / "results.json").unlink()
        text = (job.folder / "config.yaml").read_text()
        (job.folder / "config.yaml").write_text(text.replace("epochs: 2", "epochs: 3"))
        resume(job.folder, Console(quiet=True))
        same_curves(job, whole)


def test_a_stopped_stack_continues_where_it_was(tmp_path):
    each = ["beta=1 seed=0", "beta=4 seed=1 lr=1e-4", "beta=2 seed=2 scheduler=cosine training.patience=5"]
    stopped, whole = (jobs_of(tmp_path / where, [*DENSE, "epochs=3"], each) for where in ("stopped", "whole"))
    for job in stopped:
        job.config["logger"] = {"_target_": f"{stacked_runs.__name__}.Stopping"}
    Stopping.at = 50  # of 90
    with pytest.raises(KeyboardInterrupt):
        train_together(stopped)
    assert [status_of(job.folder) for job in stopped] == ["interrupted"] * 3
    assert [len(curves_of(job.folder)) for job in stopped] == [1] * 3
    train_together(whole)
    ended, apart = train_together(stopped)
    assert {one.status for one in ended.values()} == {"finished"}
    assert apart == []
    for job, other in zip(stopped, whole):
        assert curves_of(job.folder) == curves_of(other.folder)
        ours, theirs = weights_of(job.folder), weights_of(other.folder)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_each_job_keeps_its_own_average_when_others_leave_and_when_a_stack_continues(tmp_path):
    words = [*DENSE, "optimizer=sgd", "training.ema=0.9"]
    each = [f"seed={i} lr=1e-5 epochs={epochs}" for i, epochs in enumerate((1, 3, 3))]
    alone, stopped = (jobs_of(tmp_path / where, words, each) for where in ("alone", "stack"))
    train_alone(alone)
    for job in stopped:
        job.config["logger"] = {"_target_": f"{stacked_runs.__name__}.Stopping"}
    Stopping.at = 80  # of 90
    with pytest.raises(KeyboardInterrupt):
        train_together(stopped)
    assert train_together(stopped)[1] == ["0"]  # it is through, and only left to be scored
    for job, other in zip(stopped, alone):
        ours, theirs = (
            torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["averaged"]
            for folder in (job.folder, other.folder)
        )
        torch.testing.assert_close(ours, theirs)
        same_curves(job, other, rel=1e-5)


def test_a_job_whose_loss_is_no_number_fails_and_leaves_the_others_as_they_are(tmp_path):
    words = [*DENSE, "optimizer=sgd", "epochs=2"]
    healthy = ["lr=1e-5 beta=1", "lr=1e-5 beta=2", "lr=1e-5 beta=3"]
    one_bad = ["lr=1e-5 beta=1", "lr=1e-5 beta=1e30", "lr=1e-5 beta=3"]
    fine, bad = jobs_of(tmp_path / "fine", words, healthy), jobs_of(tmp_path / "bad", words, one_bad)
    (alone,) = jobs_of(tmp_path / "alone", words, one_bad[1:2])
    train_together(fine)
    ended, apart = train_together(bad)
    assert [ended[job.name].status for job in bad] == ["finished", "failed", "finished"]
    assert apart == []
    with pytest.raises(Exception, match="became NaN or infinite") as why:
        train_alone([alone])
    assert ended["1"].reason == failure_of(bad[1].folder) == str(why.value)
    assert not (bad[1].folder / "results.json").exists()
    for place in (0, 2):
        ours, theirs = weights_of(bad[place].folder), weights_of(fine[place].folder)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_where_memory_does_not_suffice_two_halves_go_on_from_the_last_checkpoints(tmp_path, monkeypatch):
    each = [f"beta={beta} epochs={epochs}" for beta, epochs in ((1, 2), (2, 2), (3, 1), (4, 2), (5, 2))]
    halved, whole = (jobs_of(tmp_path / where, DENSE, each) for where in ("halved", "whole"))
    train_together(whole)
    sizes, take = [], LitStack._take

    def limited(self, batch, at):
        if at.batch == 0:
            sizes.append(len(self.members))
        if at.epoch == 1 and len(self.members) > 2:
            raise torch.OutOfMemoryError("too many")
        take(self, batch, at)

    monkeypatch.setattr(LitStack, "_take", limited)
    ended, apart = train_together(halved)
    assert {one.status for one in ended.values()} == {"finished"}
    assert apart == []
    assert sizes == [5, 4, 2, 2]
    for job, other in zip(halved, whole):
        same_curves(job, other, rel=1e-5)


def test_a_stack_that_cannot_be_trained_is_carried_out_one_by_one(tmp_path, monkeypatch, capsys):
    jobs = jobs_of(tmp_path, DENSE, ["beta=1", "beta=2"])
    monkeypatch.setattr(fitting, "_train", lambda members: torch.zeros(2, 3) @ torch.zeros(2, 3))
    ended, apart = train_together(jobs)
    assert {one.status for one in ended.values()} == {"finished"}
    assert apart == ["0", "1"]
    told = capsys.readouterr().err
    assert "2 jobs could not be trained together and run one by one: RuntimeError" in told


def test_stacks_are_no_larger_than_asked_for(tmp_path, monkeypatch):
    jobs = jobs_of(tmp_path, DENSE, [f"beta={beta}" for beta in range(5)])
    sizes = []
    monkeypatch.setattr(together, "_stack", lambda work, some: sizes.append(len(some)) or iter(()))
    assert train_together(jobs, most=3) == ({}, [])
    assert sizes == [3, 2]


def test_half_precision_trains_as_it_does_alone(tmp_path):
    each = ["beta=1 seed=0", "beta=4 seed=1"]
    words = [*NETS["cnn"], "precision=bf16", "likelihood=sigma"]
    alone, stacked = (jobs_of(tmp_path / where, words, each) for where in ("alone", "stack"))
    train_alone(alone)
    assert train_together(stacked)[1] == []
    for job, other in zip(stacked, alone):
        same_curves(job, other, rel=0.02)


def test_a_job_that_is_wrong_fails_by_itself(tmp_path):
    jobs = jobs_of(tmp_path, DENSE, ["beta=1", "beta=2", "beta=3"])
    jobs[1].config["lr"] = -1.0
    ended, apart = train_together(jobs)
    assert [ended[job.name].status for job in jobs] == ["finished", "failed", "finished"]
    assert apart == ["1"]
    assert "lr=-1.0" in ended["1"].reason
