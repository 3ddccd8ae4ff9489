"""Jobs whose networks are of one shape as one stacked model; the others one after the other, in this process."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import PositiveInt

from vae_lab.jobs import Job, Outcome, Work

_USUAL = 16  # jobs that a search draws at a time where no number is given


class Vectorized:
    """A GPU is made for more than one small network: many cost little more than one there.

    Args:
        together: (work, jobs, most) to the jobs as they end.
        most: jobs in a stack; null: as many as fit into memory.
    """

    def __init__(
        self,
        together: Callable[[Work, Sequence[Job], int | None], Iterator[tuple[Job, Outcome]]],
        most: PositiveInt | None = None,
    ) -> None:
        self.together, self.most = together, most

    def side_by_side(self) -> int:
        """As many as a stack may have."""
        return self.most or _USUAL

    def __call__(self, work: Work, jobs: Sequence[Job], folder: Path) -> Iterator[tuple[Job, Outcome | str]]:
        """Those of a stack when it is through, then those that have to be alone."""
        yield from self.together(work, jobs, self.most)
