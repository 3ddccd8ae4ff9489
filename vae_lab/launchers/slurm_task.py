"""What every process of a Slurm job calls; submitit pickles it."""

import os
import threading
import time
from pathlib import Path
from typing import Any

from vae_lab.errors import RunFailed
from vae_lab.sweep.jobs import Outcome, SweepJob, Work

_TIMES = 20  # an epoch that does not fit into the time limit would be begun anew for ever


class Task:
    """Work that goes back into the queue before its time is over."""

    def __init__(self, work: Work, minutes: int, left: int = _TIMES) -> None:
        self.work, self.minutes, self.left = work, minutes, left

    def __call__(self, job: SweepJob) -> Outcome:
        """In the first process: the job. In further ones, under ddp: their part, for as long as the first one lives."""
        if os.environ.get("SLURM_PROCID", "0") != "0":
            threading.Thread(target=_end_with_the_first, daemon=True).start()
        return self.work(job)

    def checkpoint(self, job: SweepJob) -> Any:
        """Called by submitit when the time is nearly over or the job is preempted: what to put into the queue.

        Raises:
            RunFailed: it was put there too often.
        """
        from submitit.helpers import DelayedSubmission

        if not self.left:
            raise RunFailed(f"it was stopped {_TIMES + 1} times after {self.minutes} minutes or less; "
                            "type launcher.minutes=<more>")  # fmt: skip
        return DelayedSubmission(Task(self.work, self.minutes, self.left - 1), job)


def _end_with_the_first() -> None:
    """Where the first process ended without training, the others would wait for it for half an hour."""
    from submitit import JobEnvironment
    from submitit.core.utils import JobPaths

    folder = Path(os.environ["SUBMITIT_FOLDER"])
    result = JobPaths(folder, JobEnvironment().job_id, 0).result_pickle
    while not result.exists():
        time.sleep(1)
    time.sleep(5)  # its own end may be near
    os._exit(0)
