"""``launcher=sequence``: runs one job after the other in this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from vae_lab.sweep.jobs import Outcome, SweepJob, Work


class InSequence:
    """Runs jobs one after the other in this process.

    Libraries are loaded only once. If the system kills a job, the sweep ends with it and has to be started again.
    """

    def side_by_side(self) -> int:
        """Return 1."""
        return 1

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """Yield the jobs in their order."""
        for job in jobs:
            yield job, work(job)
