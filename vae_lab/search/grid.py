"""``search=grid``: every combination of the values; the last key changes fastest."""

import itertools
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import ClassVar

from vae_lab.config.varied import Varied
from vae_lab.errors import UserError
from vae_lab.sweep.jobs import Outcome


class Grid:
    """Runs every combination of the values, so that all jobs are known from the start."""

    aims: ClassVar[list[tuple[str, str]]] = []
    done = 0

    def plan(self, varied: Sequence[Varied]) -> tuple[int, list[list[str]]]:
        """Return the number of combinations, and the words of each.

        Raises:
            UserError: an interval was given, which has no list of values.
        """
        for entry in varied:
            if not entry.values:
                raise UserError(
                    f"{entry.key}: a grid needs values, not an interval; type search=optuna, or {entry.key}=<a,b,c>"
                )
        words = ([f"{entry.key}={value}" for value in entry.values] for entry in varied)
        jobs = [list(job) for job in itertools.product(*words)]
        return len(jobs), jobs

    def __call__(
        self, varied: Sequence[Varied], folder: Path, at_once: int
    ) -> Generator[list[list[str]], dict[int, Outcome], None]:
        """Yield all jobs in one batch."""
        yield self.plan(varied)[1]

    def report(self) -> None:
        """Return None: a grid has no best trial, and the comparison shows every job."""
