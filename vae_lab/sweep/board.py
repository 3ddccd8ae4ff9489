"""Progress of a sweep on the terminal: a line with the time left for each running job, a line for each ended one."""

import time
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from vae_lab.report.following import clock
from vae_lab.runs import state
from vae_lab.runs.content import main_scores
from vae_lab.sweep.jobs import Outcome, SweepJob

_FIXED = 0.3  # share of a job that does not depend on the epochs left, roughly: start-up, scores, figures
_TRAINING = 0.95  # progress of a job when training ends; the rest is for scores and figures


class Board(Progress):
    """The progress display. It reads the run folders, so that it works with any launcher, also on other machines."""

    def __init__(self, console: Console, total: int) -> None:
        self._jobs: dict[str, SweepJob] = {}
        self._rows: dict[str, TaskID] = {}
        self._began: dict[str, tuple[float, float]] = {}  # when a job was first seen running, and its progress then
        self._total, self._ended = total, 0
        self._at_start: dict[str, float] = {}  # progress that jobs had made before this invocation
        self._work_done = 0.0  # work of the jobs that ended, in units of one job
        self._started = self._polled = time.monotonic()
        super().__init__(TextColumn("{task.description}"), BarColumn(None), TaskProgressColumn(),
                         TextColumn("{task.fields[left]}"), console=console, expand=True,
                         refresh_per_second=2, disable=not console.is_terminal)  # fmt: skip
        self._whole = self.add_task("", total=total, left="")

    def expect(self, jobs: Iterable[SweepJob]) -> None:
        """Add jobs that are about to run."""
        new = {job.name: job for job in jobs if job.config}
        self._jobs |= new
        self._at_start |= {name: _progress(job) for name, job in new.items()}

    def skip(self, count: int) -> None:
        """Subtract jobs that need not run, for example because an earlier invocation finished them, from the total."""
        self._total -= count

    def ended(self, job: SweepJob, outcome: Outcome) -> None:
        """Print how a job ended, and the time left for the remaining ones."""
        if self._jobs.pop(job.name, None):
            self._work_done += _work(1 - self._at_start[job.name])
        if job.name in self._rows:
            self.remove_task(self._rows.pop(job.name))
        self._ended += 1
        result = outcome.reason if outcome.status == "failed" else main_scores(outcome.scores) or "no scores requested"
        colour = "red" if outcome.status == "failed" else "green"
        head = f"{self._ended:>{len(str(self._total))}}/{self._total}"
        left = f"; {self.time_left()}" if self._ended < self._total and self.time_left() else ""
        self.console.print(f"{head} [{colour}]{outcome.status}[/{colour}] {escape(job.name)}: {escape(result)}"
                           f"[dim] ({clock(time.monotonic() - self._started)} since the start{left})[/dim]",
                           highlight=False, soft_wrap=True)  # fmt: skip

    def time_left(self) -> str:
        """Return an estimate from the work done so far, with running jobs in part; empty if there is none yet."""
        gained = {name: _progress(job) - self._at_start[name] for name, job in self._jobs.items()}
        under_way = sum(_work(share) - _FIXED / 2 for share in gained.values() if share > 0)
        unseen = self._total - self._ended - len(self._jobs)  # jobs that a search has not drawn yet
        rest = sum(_work(1 - self._at_start[name]) for name in self._jobs) + unseen - under_way
        done = self._work_done + under_way
        return f"about {clock((time.monotonic() - self._started) * rest / done)} left" if done > 0.01 else ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Read the run folders, at most twice a second, before the display is drawn."""
        if time.monotonic() - self._polled > 0.5:
            self._polled = time.monotonic()
            self._poll()
        yield from super().get_renderables()

    def _poll(self) -> None:
        for job in list(self._jobs.values()):
            if not state.is_in_use(job.folder):
                continue
            progress = _progress(job)
            first_seen, at_first = self._began.setdefault(job.name, (time.monotonic(), progress))
            if job.name not in self._rows:
                self._rows[job.name] = self.add_task("", total=1.0, left="")
            pace = (progress - at_first) / max(1e-9, time.monotonic() - first_seen)
            left = f"{clock((1 - progress) / pace)} left" if pace > 0 else ""
            self.update(self._rows[job.name], completed=progress, left=left, description=f"{job.name}  {_stage(job)}")
        done = self._ended + sum(_progress(job) for job in self._jobs.values())
        text = f"{self._ended} of {self._total} jobs ended"
        self.update(self._whole, total=self._total, completed=done, left=self.time_left(), description=text)


def _work(share: float) -> float:
    """Return the work of training for a share of the epochs, in units of one job."""
    return _FIXED + (1 - _FIXED) * share


def _progress(job: SweepJob) -> float:
    return _TRAINING * state.share_done(job.folder, job.config["epochs"])


def _stage(job: SweepJob) -> str:
    epochs = job.config["epochs"]
    completed = round(state.share_done(job.folder, epochs) * epochs)
    return "scoring" if completed >= epochs else f"epoch {completed + 1}/{epochs}"
