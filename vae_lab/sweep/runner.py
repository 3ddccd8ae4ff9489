"""Plans a sweep, carries out what is not finished yet, and closes it with a table and a comparison."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vae_lab.config.varied import Varied
from vae_lab.errors import Interrupted, UserError
from vae_lab.runs import state
from vae_lab.sweep.board import Board
from vae_lab.sweep.jobs import Launcher, Outcome, Search, SweepJob
from vae_lab.sweep.plan import Sweep
from vae_lab.sweep.work import carry_out

Explain = Callable[[Exception], tuple[int, str]]


@dataclass
class SweepRunner:
    """What a sweep is carried out with."""

    sweep: Sweep
    launcher: Launcher
    search: Search
    console: Console
    explain: Explain  # one line for what was wrong with a job's words
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _jobs: dict[tuple[str, ...], SweepJob] = field(default_factory=dict)  # as composed
    _planned: bool = True  # all jobs are known, each counted once; else each trial counts

    def plan(self, numbered: bool) -> int:
        """Tell what is about to be done; returns the number of jobs.

        Raises:
            UserError: the folder holds something else, or the search cannot go through what varies.
        """
        sweep, say = self.sweep, self.console.print
        total, known = self.search.plan(sweep.varied)
        side_by_side = self.launcher.side_by_side()
        sweep.open()
        jobs = list({job.name: job for job in map(self._job, known)}.values())
        if jobs and not any(job.config for job in jobs):  # a misspelt key, say: nothing to start
            raise UserError(self.outcomes[jobs[0].name].reason)
        self._planned = bool(jobs)
        total = len(jobs) or total  # words that mean the same are one job
        told = ", ".join(f"{one.key} ({_values(one)})" for one in sweep.varied)
        say(f"[bold]{total} job{'s' if total != 1 else ''}[/bold]{f', varying {escape(told)}' if told else ''}",
            highlight=False, soft_wrap=True)  # fmt: skip
        counts = _count(jobs)
        say(f"{counts}{f'; {side_by_side} at a time' if side_by_side > 1 else ''}", highlight=False, soft_wrap=True)
        say(f"Folder: {sweep.folder}", markup=False, highlight=False, soft_wrap=True)
        if numbered:
            self._print_numbered(jobs)
        return total

    def run(self, total: int) -> bool:
        """Carry out what is not finished; whether everything is at the end.

        Raises:
            Interrupted: Ctrl-C or SIGTERM.
        """
        with state.in_use(self.sweep.folder):
            self.sweep.record(**({"pareto": self.search.aims} if len(self.search.aims) > 1 else {}))
            try:
                with Board(self.console, total) as board:
                    self._go_through(board)
            except KeyboardInterrupt as stop:
                raise Interrupted("stopped; type the same words again to go on where each job was") from stop
        found = self.search.report()
        if found is not None:
            self.console.print(found)
        failed = [outcome for outcome in self.outcomes.values() if outcome.status == "failed"]
        if failed:
            self.console.print(_failures(failed))
        return not failed

    def _go_through(self, board: Board) -> None:
        search = self.search(self.sweep.varied, self.sweep.folder, self.launcher.side_by_side())
        batch = next(search, None)
        if self.search.done:
            self.console.print(f"{self.search.done} ended in an earlier start")
            board.skip(self.search.done)
        while batch is not None:
            jobs = [self._job(words) for words in batch]
            self._carry_out(jobs, board)
            try:
                batch = search.send({i: self.outcomes[job.name] for i, job in enumerate(jobs)})
            except StopIteration:
                batch = None

    def _carry_out(self, jobs: list[SweepJob], board: Board) -> None:
        to_do: dict[str, SweepJob] = {}
        for job in jobs:
            if job.name in self.outcomes:  # its words cannot be composed, or it was tried in this start already
                if not job.config:
                    board.ended(job, self.outcomes[job.name])
            elif state.status_of(job.folder) == "finished":
                self.outcomes[job.name] = carry_out(job)
            else:
                to_do[job.name] = job
        names = [job.name for job in jobs if job.config]
        board.skip(len(set(names) if self._planned else names) - len(to_do))  # finished before, or drawn once more
        board.expect(to_do.values())
        for job, ended in self.launcher(carry_out, list(to_do.values()), self.sweep.folder) if to_do else ():
            if isinstance(ended, str):
                state.write_failure(job.folder, ended)
            outcome = Outcome(job.name, "failed", ended) if isinstance(ended, str) else ended
            self.outcomes[job.name] = outcome
            board.ended(job, outcome)

    def _job(self, words: list[str]) -> SweepJob:
        if tuple(words) not in self._jobs:
            try:
                job = self.sweep.job(words)
            except Exception as why:  # what cannot be composed fails by itself; the others go on
                job = self.sweep.failed_job(words)
                self.outcomes[job.name] = Outcome(job.name, "failed", self.explain(why)[1])
            self._jobs[tuple(words)] = job
        return self._jobs[tuple(words)]

    def _print_numbered(self, jobs: list[SweepJob]) -> None:
        for number, job in enumerate(jobs, 1):
            failed = self.outcomes.get(job.name)
            status = failed.reason if failed else state.status_of(job.folder)
            reason = state.failure_of(job.folder)
            told = f"{status} before ({reason}), to be tried again" if reason and not failed else status
            text = f"{number:>{len(str(len(jobs)))}}  {' '.join(job.words) or job.name}  [dim]{escape(told)}[/dim]"
            self.console.print(text, highlight=False, soft_wrap=True)


def _count(jobs: list[SweepJob]) -> str:
    """``3 finished, 1 interrupted, 8 new``."""
    found = [state.status_of(job.folder) for job in jobs if job.config]
    found += ["not valid" for job in jobs if not job.config]
    names = ("finished", "interrupted", "failed", "new", "not valid")
    return ", ".join(f"{found.count(name)} {name}" for name in names if name in found) or "chosen as results come in"


def _values(one: Varied) -> str:
    shown = one.values if len(one.values) <= 12 else [*one.values[:5], "…", *one.values[-2:]]
    told = ", ".join(shown) if shown else f"{one.span[0]:g} to {one.span[1]:g}" if one.span else ""
    return f"{told}{', whole' if one.whole and not shown else ''}{', log scale' if one.log else ''}"


def _failures(failed: list[Outcome]) -> Table:
    table = Table(title=f"{len(failed)} failed", title_justify="left", title_style="bold red", box=SIMPLE_HEAD)
    table.add_column("job")
    table.add_column("reason")
    for outcome in failed:
        table.add_row(escape(outcome.name), escape(outcome.reason))
    return table


def sync_advice(folder: Path) -> str | None:
    """The line that uploads every job's offline W&B run."""
    found = any(folder.glob("*/wandb/offline-run-*"))
    return f"wandb sync {folder}/*/wandb/offline-run-*" if found else None
