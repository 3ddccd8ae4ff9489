"""One job after the other, in this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from vae_lab.jobs import Job, Outcome, Work


class InSequence:
    """No process is started, so nothing is paid twice; a job that the system kills ends the sweep, to be restarted."""

    def side_by_side(self) -> int:
        """One."""
        return 1

    def __call__(self, work: Work, jobs: Sequence[Job], folder: Path) -> Iterator[tuple[Job, Outcome | str]]:
        """In their order."""
        for job in jobs:
            yield job, work(job)
