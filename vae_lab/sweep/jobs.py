"""What a sweep's jobs, launchers and searches are; no logic, and no torch: the program answers at once."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vae_lab.config.varied import Varied


@dataclass(frozen=True)
class SweepJob:
    """One run of a sweep: everything that another process or machine needs to carry it out."""

    name: str  # of its folder
    folder: Path
    words: list[str]  # the overrides that single it out
    config: dict[str, Any]  # resolved
    sweep: str  # the sweep's name
    command: str  # what one would type to run it alone


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    name: str
    status: str  # 'finished' or 'failed'
    reason: str = ""  # of a failure, in one line
    scores: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # sentences for the person, as that the posterior collapsed


Work = Callable[[SweepJob], Outcome]


class Launcher(Protocol):
    """Carries out jobs somewhere. Named by a YAML in ``conf/launcher``."""

    def side_by_side(self) -> int:
        """How many jobs are under way at a time, about.

        Raises:
            UserError: an optional package is missing, or the machine has not what was asked for.
        """

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """Jobs as they end, each with its outcome, or with what became of its process when that gave none.

        Args:
            work: what a job's process calls.
            jobs: in the order in which they should start.
            folder: where logs of the launcher's own may lie.
        """


class Search(Protocol):
    """Decides what is tried next. Named by a YAML in ``conf/search``."""

    aims: list[tuple[str, str]]  # scores, each with 'min' or 'max'; empty where none is sought
    done: int  # jobs that ended in earlier starts and are not given again; known once the search has begun

    def plan(self, varied: Sequence[Varied]) -> tuple[int, list[list[str]]]:
        """How many jobs there will be, and the words of each as far as they are known before any result.

        Raises:
            UserError: it cannot search what varies, or an optional package is missing.
        """

    def __call__(
        self, varied: Sequence[Varied], folder: Path, at_once: int
    ) -> Generator[list[list[str]], dict[int, Outcome], None]:
        """Lists of jobs, each the words of one; takes the outcomes by their place in the list it gave last."""

    def report(self) -> Any:
        """What was found, for ``rich`` to print; None where there is nothing to say."""
