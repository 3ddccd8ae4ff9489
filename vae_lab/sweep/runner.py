"""Plans a sweep, carries out the jobs that are not finished yet, and prints the search's result and failures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vae_lab.config.trust import targets_in, trusting
from vae_lab.config.varied import Varied
from vae_lab.errors import Interrupted, UserError
from vae_lab.report.following import tracker
from vae_lab.runs import state
from vae_lab.sweep.beforehand import refuse_unsaved_classifier
from vae_lab.sweep.board import Board
from vae_lab.sweep.jobs import Launcher, Outcome, Search, SweepJob
from vae_lab.sweep.plan import Sweep
from vae_lab.sweep.work import carry_out

Explain = Callable[[Exception], tuple[int, str]]


@dataclass
class SweepRunner:
    """Carries out a sweep with a launcher and a search."""

    sweep: Sweep
    launcher: Launcher
    search: Search
    console: Console
    explain: Explain  # exit status and one line for an error in a job's words
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _jobs: dict[tuple[str, ...], SweepJob] = field(default_factory=dict)  # as composed
    _planned: bool = True  # True: all jobs are known and each counts once; False: each trial of a search counts

    def plan(self, numbered: bool) -> int:
        """Print what is about to run, with a numbered list of the jobs on request; return the number of jobs.

        Raises:
            UserError: the folder holds something else, or the search cannot search over the varied keys.
        """
        sweep, say = self.sweep, self.console.print
        total, known = self.search.plan(sweep.varied)
        side_by_side = self.launcher.side_by_side()
        sweep.open()
        steps = tracker(self.console)(known, f"planning {len(known):,} jobs")
        jobs = list({job.name: job for job in map(self._job, steps)}.values())
        if jobs and not any(job.config for job in jobs):  # no job is valid, for example because of a misspelt key
            raise UserError(self.outcomes[jobs[0].name].reason)
        self._planned = bool(jobs)
        total = len(jobs) or total  # words that compose the same config are one job
        varying = ", ".join(f"{varied.key} ({_values(varied)})" for varied in sweep.varied)
        say(f"[bold]{total} job{'s' if total != 1 else ''}[/bold]{f', varying {escape(varying)}' if varying else ''}",
            highlight=False, soft_wrap=True)  # fmt: skip
        counts = _count(jobs)
        say(f"{counts}{f'; {side_by_side} at a time' if side_by_side > 1 else ''}", highlight=False, soft_wrap=True)
        say(f"Folder: {sweep.folder}", markup=False, highlight=False, soft_wrap=True)
        if numbered:
            self._print_numbered(jobs)
        return total

    def run(self, total: int) -> bool:
        """Carry out the jobs that are not finished; return whether all jobs succeeded.

        Raises:
            UserError: the jobs need a classifier that cannot be saved; nothing has been written then.
            Interrupted: Ctrl-C or SIGTERM.
        """
        to_do = [job.config for job in self._jobs.values() if job.config and state.status_of(job.folder) != "finished"]
        refuse_unsaved_classifier(to_do)
        with state.in_use(self.sweep.folder):
            self.sweep.record(**({"pareto": self.search.aims} if len(self.search.aims) > 1 else {}))
            try:
                with Board(self.console, total) as board:
                    self._go_through(board)
            except KeyboardInterrupt as stop:
                raise Interrupted("stopped; type the same command again to resume each job where it was") from stop
        report = self.search.report()
        if report is not None:
            self.console.print(report)
        failed = [outcome for outcome in self.outcomes.values() if outcome.status == "failed"]
        if failed:
            self.console.print(_failures(failed))
        return not failed

    def _go_through(self, board: Board) -> None:
        search = self.search(self.sweep.varied, self.sweep.folder, self.launcher.side_by_side())
        batch = next(search, None)
        if self.search.done:
            trials = f"{self.search.done} trial{'s' if self.search.done != 1 else ''}"
            self.console.print(f"{trials} ended in an earlier invocation")
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
            if job.name in self.outcomes:  # its words are not valid, or it has already run in this invocation
                if not job.config:
                    board.ended(job, self.outcomes[job.name])
            elif state.status_of(job.folder) == "finished":
                self.outcomes[job.name] = carry_out(job)
            else:
                to_do[job.name] = job
        names = [job.name for job in jobs if job.config]
        board.skip(len(set(names) if self._planned else names) - len(to_do))  # already finished, or drawn a second time
        board.expect(to_do.values())
        with trusting(targets_in([job.config for job in to_do.values()])):  # some launchers run jobs in this process
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
            except Exception as why:  # only this job fails; the others run
                job = self.sweep.failed_job(words)
                self.outcomes[job.name] = Outcome(job.name, "failed", self.explain(why)[1])
            self._jobs[tuple(words)] = job
        return self._jobs[tuple(words)]

    def _print_numbered(self, jobs: list[SweepJob]) -> None:
        for number, job in enumerate(jobs, 1):
            failed = self.outcomes.get(job.name)
            status = failed.reason if failed else state.status_of(job.folder)
            reason = state.failure_of(job.folder)
            note = f"{status} before ({reason}), to be tried again" if reason and not failed else status
            text = f"{number:>{len(str(len(jobs)))}}  {' '.join(job.words) or job.name}  [dim]{escape(note)}[/dim]"
            self.console.print(text, highlight=False, soft_wrap=True)


def _count(jobs: list[SweepJob]) -> str:
    """Return how many jobs have each status: ``3 finished, 1 interrupted, 8 new``."""
    statuses = [state.status_of(job.folder) for job in jobs if job.config]
    statuses += ["not valid" for job in jobs if not job.config]
    names = ("finished", "interrupted", "failed", "new", "not valid")
    counts = [f"{statuses.count(name)} {name}" for name in names if name in statuses]
    return ", ".join(counts) or "jobs are chosen as results come in"


def _values(varied: Varied) -> str:
    listed = varied.values if len(varied.values) <= 12 else [*varied.values[:5], "…", *varied.values[-2:]]
    span = f"{varied.span[0]:g} to {varied.span[1]:g}" if varied.span else ""
    whole = ", whole numbers" if varied.whole and not listed else ""
    return f"{', '.join(listed) or span}{whole}{', log scale' if varied.log else ''}"


def _failures(failed: list[Outcome]) -> Table:
    table = Table(title=f"{len(failed)} failed", title_justify="left", title_style="bold red", box=SIMPLE_HEAD)
    table.add_column("job")
    table.add_column("reason")
    for outcome in failed:
        table.add_row(escape(outcome.name), escape(outcome.reason))
    return table


def sync_advice(folder: Path) -> str | None:
    """Return the command that uploads the offline W&B runs of all jobs; None if there are none."""
    has_offline_runs = any(folder.glob("*/wandb/offline-run-*"))
    return f"wandb sync {folder}/*/wandb/offline-run-*" if has_offline_runs else None
