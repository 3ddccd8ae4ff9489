"""Every combination of the values, the last key fastest."""

import itertools
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import ClassVar

from vae_lab.config.varied import Varied
from vae_lab.errors import UserError
from vae_lab.sweep.jobs import Outcome


class Grid:
    """All jobs are known from the start."""

    aims: ClassVar[list[tuple[str, str]]] = []
    done = 0

    def plan(self, varied: Sequence[Varied]) -> tuple[int, list[list[str]]]:
        """All of them.

        Raises:
            UserError: an interval has no values to go through.
        """
        for one in varied:
            if not one.values:
                raise UserError(f"{one.key}: an interval is for a search; type search=optuna, or {one.key}=<a,b,c>")
        words = ([f"{one.key}={value}" for value in one.values] for one in varied)
        jobs = [list(job) for job in itertools.product(*words)]
        return len(jobs), jobs

    def __call__(
        self, varied: Sequence[Varied], folder: Path, at_once: int
    ) -> Generator[list[list[str]], dict[int, Outcome], None]:
        """Once, all of them."""
        yield self.plan(varied)[1]

    def report(self) -> None:
        """Nothing was sought: the comparison shows every job."""
