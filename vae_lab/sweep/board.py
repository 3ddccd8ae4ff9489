"""One line per job that is under way, with progress and time left; one line for each that has ended."""

import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from vae_lab.runs import state
from vae_lab.sweep.jobs import Outcome, SweepJob

_FIXED = 0.3  # of a job, about, is the same however many epochs are left: starting, scoring, pictures
_SCORING = 0.95  # of a job is training; what is left is scoring and pictures
_SHOWN = ("test/fid", "test/elbo", "test/loss")


class Board(Progress):
    """Reads the run folders, so it shows jobs of any launcher, also those on other machines."""

    def __init__(self, console: Console, total: int) -> None:
        self._jobs: dict[str, SweepJob] = {}
        self._rows: dict[str, TaskID] = {}
        self._began: dict[str, tuple[float, float]] = {}  # when a job was first seen under way, and how far it was
        self._total, self._ended = total, 0
        self._at_start: dict[str, float] = {}  # how far interrupted jobs had come before
        self._work_done = 0.0  # of jobs that ended, in whole jobs
        self._started = self._polled = time.monotonic()
        super().__init__(TextColumn("{task.description}"), BarColumn(None), TaskProgressColumn(),
                         TextColumn("{task.fields[left]}"), console=console, expand=True,
                         refresh_per_second=2, disable=not console.is_terminal)  # fmt: skip
        self._whole = self.add_task("", total=total, left="")

    def expect(self, jobs: Iterable[SweepJob]) -> None:
        """These are to do."""
        new = {job.name: job for job in jobs if job.config}
        self._jobs |= new
        self._at_start |= {name: _share(job) for name, job in new.items()}

    def skip(self, count: int) -> None:
        """So many were finished before."""
        self._total -= count

    def ended(self, job: SweepJob, outcome: Outcome) -> None:
        """One more has ended: say how, and how long the rest will take."""
        if self._jobs.pop(job.name, None):
            self._work_done += _work(1 - self._at_start[job.name])
        if job.name in self._rows:
            self.remove_task(self._rows.pop(job.name))
        self._ended += 1
        what = outcome.reason if outcome.status == "failed" else _scores(outcome)
        colour = "red" if outcome.status == "failed" else "green"
        head = f"{self._ended:>{len(str(self._total))}}/{self._total}"
        left = f"; {self.time_left()}" if self._ended < self._total and self.time_left() else ""
        self.console.print(f"{head} [{colour}]{outcome.status}[/{colour}] {escape(job.name)}: {escape(what)}"
                           f"[dim] ({clock(time.monotonic() - self._started)} since the start{left})[/dim]",
                           highlight=False, soft_wrap=True)  # fmt: skip

    def time_left(self) -> str:
        """From what was done since the start, in jobs and parts of jobs; empty while nothing is known."""
        gone = {name: _share(job) - self._at_start[name] for name, job in self._jobs.items()}
        under_way = sum(_work(share) - _FIXED / 2 for share in gone.values() if share > 0)
        unseen = self._total - self._ended - len(self._jobs)  # of a search: not drawn yet
        rest = sum(_work(1 - self._at_start[name]) for name in self._jobs) + unseen - under_way
        done = self._work_done + under_way
        return f"about {clock((time.monotonic() - self._started) * rest / done)} left" if done > 0.01 else ""

    def get_renderables(self) -> Any:
        """Look into the folders before each drawing."""
        if time.monotonic() - self._polled > 0.5:
            self._polled = time.monotonic()
            self._poll()
        yield from super().get_renderables()

    def _poll(self) -> None:
        for job in list(self._jobs.values()):
            if not state.is_in_use(job.folder):
                continue
            share = _share(job)
            when, at = self._began.setdefault(job.name, (time.monotonic(), share))
            if job.name not in self._rows:
                self._rows[job.name] = self.add_task("", total=1.0, left="")
            pace = (share - at) / max(1e-9, time.monotonic() - when)
            left = f"{clock((1 - share) / pace)} left" if pace > 0 else ""
            self.update(self._rows[job.name], completed=share, left=left, description=f"{job.name}  {_stage(job)}")
        done = self._ended + sum(_share(job) for job in self._jobs.values())
        text = f"{self._ended} of {self._total} jobs ended"
        self.update(self._whole, total=self._total, completed=done, left=self.time_left(), description=text)


def _work(share: float) -> float:
    """Of training a share of the epochs, in whole jobs."""
    return _FIXED + (1 - _FIXED) * share


def _share(job: SweepJob) -> float:
    return _SCORING * state.share_done(job.folder, job.config["epochs"])


def _stage(job: SweepJob) -> str:
    epochs = job.config["epochs"]
    through = round(state.share_done(job.folder, epochs) * epochs)
    return "scoring" if through >= epochs else f"epoch {through + 1}/{epochs}"


def _scores(outcome: Outcome) -> str:
    names = [name for name in _SHOWN if name in outcome.scores] or list(outcome.scores)[:3]
    found = [(name, outcome.scores[name]) for name in names]
    return ", ".join(f"{name.removeprefix('test/')} {value:.4g}" for name, value in found) or "no scores asked for"


def clock(seconds: float) -> str:
    """``1 h 5 min``, ``3 min 20 s`` or ``12 s``."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
