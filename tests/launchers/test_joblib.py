"""Tests of jobs in separate processes: outcomes, shares of the machine, and a process that is killed."""

import os
import time
from pathlib import Path

import pytest

from vae_lab.errors import UserError
from vae_lab.launchers import joblib
from vae_lab.launchers.joblib import KILLED, Joblib
from vae_lab.launchers.sequence import InSequence
from vae_lab.sweep.jobs import Outcome, SweepJob


def job(name: str, folder: Path) -> SweepJob:
    return SweepJob(name, folder / name, [name], {}, "sweep", "")


def report(one: SweepJob) -> Outcome:
    gpu, threads = os.environ.get("CUDA_VISIBLE_DEVICES", ""), os.environ.get("OMP_NUM_THREADS", "")
    time.sleep(0.2)
    return Outcome(one.name, "finished", f"{os.getpid()} {threads} {gpu}")


def die_if_told(one: SweepJob) -> Outcome:
    with (one.folder.parent / "started").open("a") as file:
        file.write(f"{one.name}\n")
    if one.name == "bad":
        time.sleep(0.3)
        os._exit(9)
    time.sleep(0.6)
    return Outcome(one.name, "finished")


def test_in_sequence_keeps_the_order(tmp_path):
    jobs = [job(name, tmp_path) for name in "cab"]
    ended = list(InSequence()(lambda one: Outcome(one.name, "finished"), jobs, tmp_path))
    assert [one.name for one, _ in ended] == ["c", "a", "b"]


def test_every_job_ends_in_another_process_with_its_share_of_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(joblib, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS")
    jobs = [job(str(number), tmp_path) for number in range(6)]
    ended = {one.name: outcome.reason.split() for one, outcome in Joblib(2)(report, jobs, tmp_path)}
    assert set(ended) == set("012345")
    assert {threads for _, threads in ended.values()} == {"4"}
    assert str(os.getpid()) not in {pid for pid, _ in ended.values()}


def test_gpus_are_handed_out_in_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(joblib, "_gpu_names", lambda: ["5", "7"])
    jobs = [job(str(number), tmp_path) for number in range(8)]
    found = {tuple(outcome.reason.split()[::2]) for _, outcome in Joblib(2)(report, jobs, tmp_path)}
    assert sorted(gpu for _, gpu in found) == ["5", "7"]  # each process keeps its own


def test_a_killed_process_loses_its_own_job_alone(tmp_path):
    jobs = [job(name, tmp_path) for name in ("one", "bad", "two", "three")]
    ended = {one.name: outcome for one, outcome in Joblib(2)(die_if_told, jobs, tmp_path)}
    assert ended.pop("bad") == KILLED
    assert {name: outcome.status for name, outcome in ended.items()} == dict.fromkeys(
        ("one", "two", "three"), "finished"
    )
    started = (tmp_path / "started").read_text().split()
    assert started.count("bad") == 2  # once more by itself, to know that it was the one
    assert started.count("three") <= 2


def test_more_processes_than_cores_are_refused():
    with pytest.raises(UserError, match=r"type launcher\.jobs="):
        Joblib(1000).side_by_side()
