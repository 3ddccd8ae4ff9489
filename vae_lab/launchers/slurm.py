"""Jobs on a Slurm cluster, by way of submitit."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from vae_lab.errors import UserError
from vae_lab.launchers.slurm_queue import LIVE, accounted, queue
from vae_lab.launchers.slurm_task import Task
from vae_lab.sweep.jobs import Outcome, SweepJob, Work
from vae_lab.system.extras import need
from vae_lab.system.files import write_json

_LEDGER = "jobs.json"  # which job of the sweep has which number in Slurm
_ADVICE = {"TIMEOUT": "; type launcher.minutes=<more>", "OUT_OF_MEMORY": "; type launcher.memory_gb=<more>"}
_LATE = 10.0  # seconds in which a shared file system should show a result


class Slurm:
    """Killed or logged out, the starting process leaves its jobs in Slurm; the next start takes them over.

    Ctrl-C (or SIGTERM) cancels them. A job whose time is nearly over, or that is preempted, goes back into the queue
    and is resumed from its last epoch. Folders must lie on a file system that all nodes share. A start that dies in the
    moment between sbatch and the note of what it sent leaves jobs that the next start sends once more; the lock of each
    run folder then lets the second wait for the first, and find it finished.

    Args:
        partition: of the cluster; null: its default.
        account: that pays.
        minutes: time limit of a job.
        cpus: per process.
        gpus: per process.
        memory_gb: per job.
        at_once: jobs under way at a time.
        setup: lines of shell that are run before each job.
        extra: other parameters of sbatch.
    """

    def __init__(
        self,
        partition: str | None = None,
        account: str | None = None,
        minutes: PositiveInt = 120,
        cpus: PositiveInt = 2,
        gpus: NonNegativeInt = 0,
        memory_gb: PositiveFloat | None = None,
        at_once: PositiveInt = 16,
        setup: Sequence[str] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.partition, self.account, self.minutes, self.cpus = partition, account, minutes, cpus
        self.gpus, self.memory_gb, self.at_once = gpus, memory_gb, at_once
        self.setup, self.extra = [str(line) for line in setup], dict(extra or {})

    def side_by_side(self) -> int:
        """As many as were asked for; Slurm is asked whether it would take such a job.

        Raises:
            UserError: submitit or Slurm is missing, or Slurm would refuse the job.
        """
        need("submitit", "launcher=slurm", "slurm")
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise UserError("launcher=slurm: no sbatch here; type it on a node of the cluster, or launcher=joblib")
        flags = {"partition": self.partition, "account": self.account, "time": self.minutes,
                 "cpus-per-task": self.cpus, "gpus-per-node": self.gpus or None, "mem": self._memory(),
                 **self.extra}  # fmt: skip
        words = [f"--{flag}={value}" for flag, value in flags.items() if value is not None]
        asked = subprocess.run(
            ["sbatch", "--test-only", *words, "--wrap=true"], capture_output=True, text=True, check=False
        )
        if asked.returncode:
            said = " ".join(asked.stderr.replace("sbatch: error:", "").split())
            raise UserError(f"launcher=slurm: Slurm refuses {' '.join(words)}: {said}")
        return self.at_once

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """As they end; those that an earlier start left in the queue are not submitted again."""
        logs = (folder / "slurm").absolute()
        logs.mkdir(exist_ok=True)
        known = _read(logs)
        live = {number for number, state in (queue() or {}).items() if state in LIVE}
        under_way = {known[job.name]: job for job in jobs if known.get(job.name) in live}
        taken = [job.name for job in under_way.values()]
        try:
            for processes, same in _by_processes(job for job in jobs if job.name not in taken).items():
                under_way |= self._submit(work, same, processes, logs, folder.name)
                write_json(logs / _LEDGER, known | {job.name: number for number, job in under_way.items()})
            yield from _as_they_end(under_way, logs)
        finally:
            if under_way:
                _cancel(list(under_way), logs)

    def _submit(self, work: Work, jobs: list[SweepJob], processes: int, logs: Path, name: str) -> dict[str, SweepJob]:
        """One array of jobs that have the same number of processes."""
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError

        executor = SlurmExecutor(str(logs), max_num_timeout=10**6)  # Task counts by itself
        executor.update_parameters(**self._parameters(processes), job_name=name)
        try:
            with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere), executor.batch():
                sent = [executor.submit(Task(work, self.minutes), job) for job in jobs]
        except FailedJobError as why:
            raise UserError(f"launcher=slurm: sbatch refused the jobs: {' '.join(str(why).split())}") from why
        return {one.job_id: job for one, job in zip(sent, jobs)}

    def _parameters(self, processes: int) -> dict[str, Any]:
        asked = os.environ.get("OMP_NUM_THREADS", "")
        threads = min(int(asked), self.cpus) if asked.isdigit() else self.cpus
        given = {
            "partition": self.partition,
            "account": self.account,
            "gpus_per_node": self.gpus * processes or None,
            "mem": self._memory(),
        }
        return {
            **{key: value for key, value in given.items() if value is not None},
            "time": self.minutes,
            "nodes": 1,
            "ntasks_per_node": processes,
            "cpus_per_task": self.cpus,
            "array_parallelism": self.at_once,
            "signal_delay_s": min(90, self.minutes * 15),
            "setup": [*self.setup, f"export OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads}"],
            # srun takes cpus-per-task from sbatch no more (since 22.05); one process's end is all processes' end
            "srun_args": [f"--cpus-per-task={self.cpus}", "--kill-on-bad-exit=1"],
            "additional_parameters": self.extra or None,
        }

    def _memory(self) -> str | None:
        return f"{round(self.memory_gb * 1024)}M" if self.memory_gb else None


def _by_processes(jobs: Iterator[SweepJob]) -> dict[int, list[SweepJob]]:
    found: dict[int, list[SweepJob]] = {}
    for job in jobs:
        found.setdefault(job.config["accelerator"]["devices"], []).append(job)
    return found


def _as_they_end(under_way: dict[str, SweepJob], logs: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
    """Take from ``under_way`` what has ended: results are looked for each second, states asked for every five."""
    gone: dict[str, float] = {}  # since when a job is not in the queue any more
    asked = 0.0
    while under_way:
        if time.monotonic() - asked > 5:
            asked, states = time.monotonic(), queue()
            for number in under_way if states is not None else ():
                if states is not None and states.get(number, "gone") in LIVE:
                    gone.pop(number, None)
                else:
                    gone.setdefault(number, asked)
        for number in list(under_way):
            ended = _result(number, logs)
            if ended is None and time.monotonic() - gone.get(number, time.monotonic()) > _LATE:
                state = (queue() or {}).get(number) or accounted(number) or "it is in its queue no more"
                ended = f"Slurm ended it ({state}){_ADVICE.get(state, '')}; its log: {_log(number, logs)}"
            if ended is not None:
                yield under_way.pop(number), ended
        if under_way:
            time.sleep(1)


def _result(number: str, logs: Path) -> Outcome | str | None:
    """What the first process left; None while there is nothing."""
    from submitit.core.utils import JobPaths, pickle_load

    path = JobPaths(logs, number, 0).result_pickle
    if not path.exists():
        return None
    how, what = pickle_load(path)
    if how == "success":
        return what
    return f"{str(what).strip().splitlines()[-1]}; its log: {_log(number, logs)}"


def _log(number: str, logs: Path) -> Path:
    """Of the first process, or of Slurm's own script where no process was begun."""
    return logs / f"{number}_0_log.err"


def _read(logs: Path) -> dict[str, str]:
    try:
        return dict(json.loads((logs / _LEDGER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _cancel(numbers: list[str], logs: Path) -> None:
    subprocess.run(["scancel", *numbers], capture_output=True, check=False)
    left = {name: number for name, number in _read(logs).items() if number not in numbers}
    write_json(logs / _LEDGER, left)
    what = f"{len(numbers)} job{'s' if len(numbers) > 1 else ''}"
    print(f"cancelled {what} in Slurm; epochs that were through are kept", file=sys.stderr)
