"""Tests of jobs on a local Ray: numbers, a process that is killed, and one line if something is missing."""

import json
import os
import sys
from pathlib import Path

import pytest
from conftest import BARE, TINY

from vae_lab.errors import UserError
from vae_lab.launchers import ray as module
from vae_lab.launchers.ray import Ray
from vae_lab.sweep.jobs import Outcome, SweepJob


def die_if_told(job: SweepJob) -> Outcome:
    if job.name == "bad":
        os.kill(os.getpid(), 9)
    return Outcome(job.name, "finished", f"{os.environ['OMP_NUM_THREADS']} {Path.cwd()}")


def test_a_missing_package_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"launcher=ray needs the package ray: pip install 'vae-lab\[ray\]'"):
        Ray().side_by_side()


def test_as_many_as_the_cores_suffice_for(monkeypatch):
    pytest.importorskip("ray", reason="the package ray is not installed")
    monkeypatch.setattr(module, "cores", lambda: 8)
    assert Ray(cpus=3).side_by_side() == 2
    with pytest.raises(UserError, match=r"launcher\.cpus=9: Ray has 8"):
        Ray(cpus=9).side_by_side()


@pytest.mark.slow
def test_a_real_ray_gives_the_numbers_that_jobs_have_in_sequence(program, tmp_path):
    pytest.importorskip("ray", reason="the package ray is not installed")
    words = [*TINY, *BARE[:1], "metrics=[loss_terms]", "figures=none", "model=dense", "latent_dim=2,3,4,5"]
    scores = {}
    for launcher in (["launcher=sequence"], ["launcher=ray", "launcher.cpus=1"]):
        ended = program("train", "-m", *words, *launcher, f"sweep={launcher[0][9:]}")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        found = sorted((tmp_path / "outputs" / "sweeps" / launcher[0][9:]).glob("*/results.json"))
        scores[launcher[0]] = [json.loads(path.read_text())["metrics"] for path in found]
    assert len(scores["launcher=ray"]) == 4
    assert scores["launcher=ray"] == scores["launcher=sequence"]


@pytest.mark.slow
def test_a_real_ray_reports_a_killed_process_and_continues(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="the package ray is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setattr(module, "cores", lambda: 2)
    here = Path(__file__).parent  # Ray's processes import this file, and with it conftest
    path = [str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    jobs = [SweepJob(name, tmp_path / name, [name], {}, "sweep", "") for name in ("one", "bad", "two")]
    ended = {job.name: outcome for job, outcome in Ray(cpus=1)(die_if_told, jobs, tmp_path)}
    assert ended["bad"].startswith("its process was killed, most likely because memory ran out")
    assert {ended["one"].reason, ended["two"].reason} == {f"1 {tmp_path}"}
