"""The function that every process of a Slurm job calls; submitit pickles it."""

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vae_lab.errors import RunFailed
from vae_lab.sweep.jobs import Outcome, SweepJob, Work
from vae_lab.system.private import exit_immediately

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

# How often a job may return to the queue. Without a limit, a job whose epoch is longer than the time limit would start
# that epoch over forever.
_TIMES = 20


class Task:
    """Carries out a job, and returns it to the queue before Slurm's time limit ends it.

    Args:
        work: the function that carries out a job.
        minutes: time limit of the job.
        left: how many more times the job may return to the queue.
    """

    def __init__(self, work: Work, minutes: int, left: int = _TIMES) -> None:
        self.work, self.minutes, self.left = work, minutes, left

    def __call__(self, job: SweepJob) -> Outcome:
        """Carry out the job or, in an additional process under ddp, its part of it while the first process runs."""
        if os.environ.get("SLURM_PROCID", "0") != "0":
            threading.Thread(target=_end_with_the_first, daemon=True).start()
        return self.work(job)

    def checkpoint(self, job: SweepJob) -> "DelayedSubmission":
        """Return what submitit puts into the queue; it calls this when the time is nearly over or on preemption.

        Raises:
            RunFailed: the job has returned to the queue too often.
        """
        from submitit.helpers import DelayedSubmission

        if not self.left:
            raise RunFailed(f"it was stopped {_TIMES + 1} times after {self.minutes} minutes or less; "
                            "type launcher.minutes=<more>")  # fmt: skip
        return DelayedSubmission(Task(self.work, self.minutes, self.left - 1), job)


def _end_with_the_first() -> None:
    """End this process soon after the first one. Without this, if the first process ends before training, the others
    wait for it for half an hour.
    """
    from submitit import JobEnvironment
    from submitit.core.utils import JobPaths

    folder = Path(os.environ["SUBMITIT_FOLDER"])
    result = JobPaths(folder, JobEnvironment().job_id, 0).result_pickle
    while not result.exists():
        time.sleep(1)
    time.sleep(5)  # lets this process end by itself if it is about to
    exit_immediately(0)
