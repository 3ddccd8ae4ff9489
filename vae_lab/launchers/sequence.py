"""One job after the other, in this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from vae_lab.sweep.jobs import Outcome, SweepJob, Work


class InSequence:
    """No process is started, so nothing is paid twice; a job that the system kills ends the sweep, to be restarted."""

    def side_by_side(self) -> int:
        """One."""
        return 1

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """In their order."""
        for job in jobs:
            yield job, work(job)
