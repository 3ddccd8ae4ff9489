"""``launcher=vectorized``: trains jobs whose networks have the same shape as one stacked model, others one by one."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import PositiveInt

from vae_lab.stack.together import together
from vae_lab.sweep.jobs import Outcome, SweepJob, Work

_USUAL = 16  # jobs that a search draws at a time if no number is given


class Vectorized:
    """Trains many small networks at once, in this process. On a GPU that costs little more than training one of them.

    Args:
        most: the largest number of jobs in a stack; null: as many as fit into memory.
    """

    def __init__(self, most: PositiveInt | None = None) -> None:
        self.most = most

    def side_by_side(self) -> int:
        """Return the largest number of jobs in a stack."""
        return self.most or _USUAL

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """Yield the jobs of a stack when the whole stack has ended; yield jobs that train alone as they end."""
        yield from together(work, jobs, self.most)
