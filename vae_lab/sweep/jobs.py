"""The data of a sweep's jobs, and the protocols of launchers and searches.

This module has no logic and does not import torch, so that the program starts quickly.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import RenderableType

from vae_lab.config.node import Node
from vae_lab.config.varied import Varied


@dataclass(frozen=True)
class SweepJob:
    """One run of a sweep, with everything that another process or machine needs to carry it out."""

    name: str  # of the job's folder
    folder: Path
    words: list[str]  # the overrides in which the job differs from the others
    config: Node  # resolved; empty if the words do not compose a valid config
    sweep: str  # the sweep's name
    command: str  # the command that runs the job alone


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    name: str
    status: str  # 'finished' or 'failed'
    reason: str = ""  # of a failure, in one line
    scores: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # sentences for the user, e.g. that the posterior collapsed


Work = Callable[[SweepJob], Outcome]


class Launcher(Protocol):
    """Carries out jobs in some place. A YAML file in ``conf/launcher`` names its class."""

    def side_by_side(self) -> int:
        """Return about how many jobs run at the same time.

        Raises:
            UserError: an optional package is missing, or the machine lacks the requested resources.
        """

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """Yield jobs as they end, each with its outcome or, if its process returned none, with the reason.

        Args:
            work: the function that a job's process calls.
            jobs: the jobs in the order in which they should start.
            folder: where the launcher may write its logs.
        """


class Search(Protocol):
    """Decides which jobs to run next. A YAML file in ``conf/search`` names its class."""

    aims: list[tuple[str, str]]  # scores to optimise, each with 'min' or 'max'; empty if there are none
    done: int  # jobs completed by an earlier invocation, which are not yielded again; known once the search has begun

    def plan(self, varied: Sequence[Varied]) -> tuple[int, list[list[str]]]:
        """Return the number of jobs, and the words of each job that is known before there are any results.

        Raises:
            UserError: it cannot search over the varied keys, or an optional package is missing.
        """

    def __call__(
        self, varied: Sequence[Varied], folder: Path, at_once: int
    ) -> Generator[list[list[str]], dict[int, Outcome], None]:
        """Yield batches of jobs, each job as its words; receive the outcomes by the job's place in the last batch."""

    def report(self) -> RenderableType | None:
        """Return the result of the search, for ``rich`` to print; None if there is nothing to report."""
