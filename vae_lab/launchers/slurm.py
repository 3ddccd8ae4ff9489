"""``launcher=slurm``: runs jobs on a Slurm cluster, using submitit."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from vae_lab.errors import UserError
from vae_lab.launchers.slurm_queue import LIVE, accounted, queue
from vae_lab.launchers.slurm_task import Task
from vae_lab.sweep.jobs import Outcome, SweepJob, Work
from vae_lab.system.extras import need
from vae_lab.system.files import write_json

_LEDGER = "jobs.json"  # Slurm's job id of each job of the sweep
_ADVICE = {"TIMEOUT": "; type launcher.minutes=<more>", "OUT_OF_MEMORY": "; type launcher.memory_gb=<more>"}
_LATE = 10.0  # seconds after which a result should be visible on a shared file system


class Slurm:
    """Submits jobs to Slurm and waits for them.

    If the process that submitted the jobs is killed or logged out, they stay in Slurm, and the next invocation takes
    them over. Ctrl-C (or SIGTERM) cancels them. A job whose time is nearly over, or that is preempted, returns to the
    queue and is resumed from its last epoch. The run folders must lie on a file system that all nodes share.

    If the process dies between calling sbatch and writing down the job ids, the next invocation submits these jobs a
    second time. The lock of each run folder then makes the second job wait for the first, which it finds finished.

    Args:
        partition: partition of the cluster; null: the cluster's default.
        account: account that is charged.
        minutes: time limit of a job.
        cpus: CPUs per process.
        gpus: GPUs per process.
        memory_gb: memory per job.
        at_once: number of jobs that may run at the same time.
        setup: shell commands to run before each job.
        extra: further parameters of sbatch.
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
        extra: Mapping[str, object] | None = None,
    ) -> None:
        self.partition, self.account, self.minutes, self.cpus = partition, account, minutes, cpus
        self.gpus, self.memory_gb, self.at_once = gpus, memory_gb, at_once
        self.setup, self.extra = [str(line) for line in setup], dict(extra or {})

    def side_by_side(self) -> int:
        """Return ``at_once``, after a check that Slurm would accept a job with these parameters.

        Raises:
            UserError: submitit or Slurm is missing, or Slurm would refuse the job.
        """
        need("submitit", "launcher=slurm", "slurm")
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise UserError(
                "launcher=slurm: no sbatch here; run this on a node of the cluster, or type launcher=joblib"
            )
        flags = {"partition": self.partition, "account": self.account, "time": self.minutes,
                 "cpus-per-task": self.cpus, "gpus-per-node": self.gpus or None, "mem": self._memory(),
                 **self.extra}  # fmt: skip
        words = [f"--{flag}={value}" for flag, value in flags.items() if value is not None]
        answer = subprocess.run(
            ["sbatch", "--test-only", *words, "--wrap=true"], capture_output=True, text=True, check=False
        )
        if answer.returncode:
            reason = " ".join(answer.stderr.replace("sbatch: error:", "").split())
            raise UserError(f"launcher=slurm: Slurm refuses {' '.join(words)}: {reason}")
        return self.at_once

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """Yield jobs as they end. Jobs that an earlier invocation left in the queue are not submitted again."""
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
        """Submit jobs with the same number of processes as one array; return them by their job ids."""
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError

        executor = SlurmExecutor(str(logs), max_num_timeout=10**6)  # Task has its own limit
        executor.update_parameters(**self._parameters(processes), job_name=name)
        try:
            with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere), executor.batch():
                sent = [executor.submit(Task(work, self.minutes), job) for job in jobs]
        except FailedJobError as why:
            raise UserError(f"launcher=slurm: sbatch refused the jobs: {' '.join(str(why).split())}") from why
        return {submitted.job_id: job for submitted, job in zip(sent, jobs)}

    def _parameters(self, processes: int) -> dict[str, object]:
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
            # Since 22.05, srun does not take cpus-per-task from sbatch. With kill-on-bad-exit, one process that fails
            # ends all processes of its job.
            "srun_args": [f"--cpus-per-task={self.cpus}", "--kill-on-bad-exit=1"],
            "additional_parameters": self.extra or None,
        }

    def _memory(self) -> str | None:
        return f"{round(self.memory_gb * 1024)}M" if self.memory_gb else None


def _by_processes(jobs: Iterator[SweepJob]) -> dict[int, list[SweepJob]]:
    by_processes: dict[int, list[SweepJob]] = {}
    for job in jobs:
        by_processes.setdefault(job.config["accelerator"]["devices"], []).append(job)
    return by_processes


def _as_they_end(under_way: dict[str, SweepJob], logs: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
    """Yield jobs as they end and remove them from ``under_way``.

    The launcher looks for results every second, and asks Slurm for the states of jobs every five seconds.
    """
    gone: dict[str, float] = {}  # job id -> when it was first missing from the queue
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
                state = (queue() or {}).get(number) or accounted(number) or "it is no longer in the queue"
                ended = f"Slurm ended the job ({state}){_ADVICE.get(state, '')}; its log: {_log(number, logs)}"
            if ended is not None:
                yield under_way.pop(number), ended
        if under_way:
            time.sleep(1)


def _result(number: str, logs: Path) -> Outcome | str | None:
    """Return the result that the job's first process has written; None if there is none yet."""
    from submitit.core.utils import JobPaths

    path = JobPaths(logs, number, 0).result_pickle
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            status, result = _OutcomeReader(file).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as why:
        return f"the result of the job is damaged ({why}); its log: {_log(number, logs)}"
    if status == "success":
        outcome: Outcome = result
        return outcome
    return f"{str(result).strip().splitlines()[-1]}; its log: {_log(number, logs)}"


class _OutcomeReader(pickle.Unpickler):
    """Reads submitit's result files, which are pickles, without calling anything that they name but ``Outcome``."""

    def find_class(self, module: str, name: str) -> type[Outcome]:
        """Return the class ``Outcome``, and refuse every other name."""
        if (module, name) == (Outcome.__module__, Outcome.__name__):
            return Outcome
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _log(number: str, logs: Path) -> Path:
    """Return the log of the job's first process or, if none was started, of the batch script."""
    return logs / f"{number}_0_log.err"


def _read(logs: Path) -> dict[str, str]:
    """Return Slurm's job id of each job, as earlier invocations have written them down."""
    try:
        return dict(json.loads((logs / _LEDGER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _cancel(numbers: list[str], logs: Path) -> None:
    subprocess.run(["scancel", *numbers], capture_output=True, check=False)
    left = {name: number for name, number in _read(logs).items() if number not in numbers}
    write_json(logs / _LEDGER, left)
    jobs = f"{len(numbers)} job{'s' if len(numbers) > 1 else ''}"
    print(f"cancelled {jobs} in Slurm; completed epochs are kept", file=sys.stderr)
