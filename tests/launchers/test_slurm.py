"""Tests of the Slurm launcher that need no Slurm; scripts/try_slurm.py starts one and tests the rest."""

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from vae_lab.errors import RunFailed, UserError
from vae_lab.launchers import slurm, slurm_queue
from vae_lab.launchers.slurm import Slurm
from vae_lab.launchers.slurm_task import Task
from vae_lab.sweep.jobs import Outcome, SweepJob
from vae_lab.system.processes import is_further_process

SCRIPTS = Path(__file__).parents[2] / "scripts"


def program(folder: Path, name: str, text: str) -> None:
    """A stand-in for one of Slurm's programs."""
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Path:
    """A folder that is searched for programs first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def work(job: SweepJob) -> Outcome:
    return Outcome(job.name, "finished")


def job(name: str, folder: Path, devices: int = 1) -> SweepJob:
    return SweepJob(name, folder / name, [name], {"accelerator": {"devices": devices}}, "sweep", "")


def test_missing_packages_and_programs_are_reported(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError, match=r"launcher=slurm needs the package submitit: pip install 'vae-lab\[slurm\]'"):
        Slurm().side_by_side()
    monkeypatch.setattr(slurm, "need", lambda *_: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no sbatch here"):
        Slurm().side_by_side()


def test_slurm_is_asked_before_anything_is_written(monkeypatch, programs, tmp_path):
    monkeypatch.setattr(slurm, "need", lambda *_: None)
    program(programs, "srun", "")
    program(programs, "sbatch", f'echo "$@" > {tmp_path}/words; echo "sbatch: error: invalid partition: x" >&2; exit 1')
    with pytest.raises(UserError, match=r"Slurm refuses --partition=x .*: invalid partition: x"):
        Slurm(partition="x", memory_gb=1.5, extra={"qos": "high"}).side_by_side()
    words = (tmp_path / "words").read_text().split()
    assert words[0] == "--test-only"
    assert {"--partition=x", "--time=120", "--cpus-per-task=2", "--mem=1536M", "--qos=high"} <= set(words)
    program(programs, "sbatch", "")
    assert Slurm(at_once=3).side_by_side() == 3


def test_states_come_from_the_queue_and_no_answer_gives_no_state(programs):
    program(programs, "squeue", 'printf "12_0|RUNNING\\n12_1|OUT_OF_MEMORY\\n13_N/A|PENDING\\n"')
    assert slurm_queue.queue() == {"12_0": "RUNNING", "12_1": "OUT_OF_MEMORY", "13": "PENDING"}
    program(programs, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    assert slurm_queue.queue() is None


def test_jobs_of_an_earlier_start_are_taken_over_and_killed_ones_reported(monkeypatch, programs, tmp_path):
    pytest.importorskip("submitit", reason="the package submitit is not installed")
    from submitit.core.utils import cloudpickle_dump

    monkeypatch.setattr(slurm, "_LATE", 0.0)
    logs = tmp_path / "slurm"
    logs.mkdir()
    (logs / "jobs.json").write_text('{"one": "12_0", "two": "12_1"}')
    program(programs, "sbatch", f"touch {tmp_path}/submitted; exit 1")
    state = tmp_path / "state"
    state.write_text("RUNNING")
    program(programs, "squeue", f'printf "12_0|RUNNING\\n12_1|$(cat {state})\\n"')
    ended = Slurm()(work, [job("one", tmp_path), job("two", tmp_path)], tmp_path)
    cloudpickle_dump(("success", Outcome("one", "finished")), logs / "12_0_0_result.pkl")
    first, outcome = next(ended)
    assert (first.name, outcome) == ("one", Outcome("one", "finished"))
    state.write_text("OUT_OF_MEMORY")
    second, reason = next(ended)
    assert second.name == "two"
    advice = f"type launcher.memory_gb=<more>; its log: {logs}/12_1_0_log.err"
    assert reason == f"Slurm ended the job (OUT_OF_MEMORY); {advice}"
    assert next(ended, None) is None
    assert not (tmp_path / "submitted").exists()


class Touching:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_the_result_of_a_job_is_read_without_calling_what_its_file_names(tmp_path):
    """submitit's result files are pickles, and lie in a folder that someone else may have filled."""
    outcome = Outcome("one", "finished", scores={"test/elbo": -1.5}, notes=["collapsed"])
    assert slurm._OutcomeReader(io.BytesIO(pickle.dumps(("success", outcome)))).load() == ("success", outcome)
    mark = tmp_path / "called"
    with pytest.raises(pickle.UnpicklingError, match="it names "):
        slurm._OutcomeReader(io.BytesIO(pickle.dumps(("success", Touching(mark))))).load()
    assert not mark.exists()


def test_stopping_cancels_the_remaining_jobs_and_forgets_them(programs, tmp_path, capsys):
    pytest.importorskip("submitit", reason="the package submitit is not installed")
    logs = tmp_path / "slurm"
    logs.mkdir()
    (logs / "jobs.json").write_text('{"one": "12_0", "old": "7"}')
    program(programs, "squeue", 'echo "12_0|RUNNING"')
    program(programs, "scancel", f'echo "$@" > {tmp_path}/cancelled')
    ended = Slurm()(work, [job("one", tmp_path)], tmp_path)
    slurm_task = slurm._result
    try:
        slurm._result = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)  # typed while it waits
        with pytest.raises(KeyboardInterrupt):
            next(ended)
    finally:
        slurm._result = slurm_task
    assert (tmp_path / "cancelled").read_text().split() == ["12_0"]
    assert (logs / "jobs.json").read_text().split() == ["{", '"old":', '"7"', "}"]
    assert "cancelled 1 job in Slurm" in capsys.readouterr().err


def test_a_job_goes_back_into_the_queue_but_not_for_ever(tmp_path):
    pytest.importorskip("submitit", reason="the package submitit is not installed")
    one, task = job("one", tmp_path), Task(work, minutes=5, left=1)
    again = task.checkpoint(one)
    assert again.result() == Outcome("one", "finished")
    with pytest.raises(RunFailed, match=r"type launcher.minutes=<more>"):
        again.function.checkpoint(one)


def test_further_processes_are_those_that_slurm_started_for_ddp(monkeypatch):
    for name, value in (("SLURM_NTASKS", "2"), ("SLURM_PROCID", "1")):
        monkeypatch.setenv(name, value)
    assert is_further_process(2)
    assert not is_further_process(1)  # one process in somebody's allocation of two
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert not is_further_process(2)


@pytest.mark.slow
def test_a_real_slurm():
    sys.path.insert(0, str(SCRIPTS))
    try:
        from own_slurm import missing
    finally:
        sys.path.remove(str(SCRIPTS))
    pytest.importorskip("submitit", reason="the package submitit is not installed")
    if missing():
        pytest.skip(f"not on this machine: {missing()} (Debian: slurm-wlm, munge)")
    tried = subprocess.run([sys.executable, SCRIPTS / "try_slurm.py"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout + tried.stderr
