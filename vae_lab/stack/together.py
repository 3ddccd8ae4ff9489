"""Carries out jobs of a sweep, as many of them as possible together and the others one after the other.

torch is imported only when the first job starts, so that a launcher can be made and a sweep planned without it.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from vae_lab.runs import state
from vae_lab.sweep.jobs import Outcome, SweepJob, Work
from vae_lab.sweep.work import failed, finished, heed_sigterm, reason_of

if TYPE_CHECKING:
    from vae_lab.runs.active_run import ActiveRun
    from vae_lab.runs.preparing import Prepared

Ended = Iterator[tuple[SweepJob, Outcome]]


def together(work: Work, jobs: Sequence[SweepJob], most: int | None = None) -> Ended:
    """Carry out jobs; yield them as they end.

    Args:
        work: carries out a single job.
        jobs: jobs of the same sweep.
        most: the largest number of jobs in a stack; None: as many as fit into memory.

    Raises:
        Interrupted: Ctrl-C or SIGTERM.
    """
    from vae_lab.stack.grouping import settings_of

    _advise(jobs)
    heed_sigterm()
    by_settings: dict[str, list[SweepJob]] = {}
    for job in jobs:
        by_settings.setdefault(settings_of(job), []).append(job)
    for alike in by_settings.values():
        yield from _with_equal_settings(work, alike, most)


def _with_equal_settings(work: Work, jobs: list[SweepJob], most: int | None) -> Ended:
    """Train those jobs together that have the same structure, and the others one by one."""
    from vae_lab.stack.grouping import stacks

    prepared = _prepared(jobs) if len(jobs) > 1 else []
    groups = [group for group in stacks(prepared) if len(group) > 1] if prepared else []
    by_folder = {job.folder: job for job in jobs}
    del prepared
    for group in groups:
        for part in _parts(group, most):
            yield from _stack(work, [(by_folder.pop(run.run_dir), run) for run in part])
    if groups or len(jobs) == 1:
        yield from ((job, work(job)) for job in by_folder.values())
        return
    _note(f"{len(jobs)} jobs cannot be stacked and run one by one (possible reasons: networks of different shapes, "
          "compile=true, a plateau schedule, an optimizer that is not elementwise)")  # fmt: skip
    yield from ((job, work(job)) for job in jobs)


def _note(text: str) -> None:
    print(f"launcher=vectorized: {text}", file=sys.stderr)


def _parts(group: list["Prepared"], most: int | None) -> Iterator[list["Prepared"]]:
    """Split a group into parts as large as memory allows. A part of one run is left out: it trains alone."""
    from vae_lab.stack.room import most_that_fit, split

    limits = [limit for limit in (most, most_that_fit(group[0])) if limit is not None]
    start = 0
    for size in split(len(group), min(limits, default=None)):
        if size > 1:
            yield group[start : start + size]
        start += size


def _prepared(jobs: list[SweepJob]) -> list["Prepared"]:
    """Prepare the runs of the jobs; they share the images. A job that fails here is left out and fails later, alone."""
    from vae_lab.runs.preparing import prepare, prepare_again

    runs: list[Prepared] = []
    for job in jobs:
        try:
            data = runs[0].data.reseeded(job.config["dataset"]["seed"]) if runs else None
            new = not (job.folder / "config.yaml").is_file()
            runs.append(prepare(job.config, job.folder, data) if new else prepare_again(job.folder, data))
        except Exception:
            continue
    return runs


def _stack(work: Work, jobs: list[tuple[SweepJob, "Prepared"]]) -> Ended:
    """Train jobs together and score them one by one; if that fails, carry out the remaining jobs one by one."""
    ended = set()
    try:
        for job, outcome in _trained_and_scored(jobs):
            ended.add(job.name)
            yield job, outcome
    except Exception as error:
        _note(f"{len(jobs)} jobs could not be trained together and run one by one: {reason_of(error)}")
    for job, _ in jobs:
        if job.name not in ended:
            yield job, work(job)


def _trained_and_scored(jobs: list[tuple[SweepJob, "Prepared"]]) -> Ended:
    from vae_lab.stack.fit import fit

    with ExitStack() as held:
        for job, _ in jobs:
            held.enter_context(state.in_use(job.folder, wait=True))
        begun: list[tuple[SweepJob, ActiveRun]] = []
        for job, prepared in jobs:
            try:
                begun.append((job, _begun(job, prepared, len(jobs))))
                held.callback(begun[-1][1].close, None)  # closes the run if an error or Ctrl-C stops it
            except Exception as error:
                yield job, failed(job, reason_of(error))
        if not begun:
            return
        members = fit([run for _, run in begun])
        for _, run in begun:
            run.hold()
        for (job, run), member in zip(begun, members):
            yield job, Outcome(job.name, "failed", member.reason) if member.reason else _score(job, run)


def _begun(job: SweepJob, prepared: "Prepared", size: int) -> "ActiveRun":
    from vae_lab.runs.active_run import ActiveRun, begin

    (job.folder / state.FAILURE).unlink(missing_ok=True)
    if prepared.environment is not None:
        return ActiveRun(prepared)
    return begin(prepared, job.sweep, job.command, stacked=size)


def _score(job: SweepJob, run: "ActiveRun") -> Outcome:
    from rich.console import Console

    from vae_lab.config.devices import device_for

    scores = None
    try:
        scores = run.score(Console(quiet=True), device_for(run.settings.accelerator))
    except Exception as error:
        return failed(job, reason_of(error))
    finally:
        run.close(scores)
    return finished(job)


def _advise(jobs: Sequence[SweepJob]) -> None:
    """Print that another launcher is faster, if the jobs train on a CPU."""
    from vae_lab.config.devices import device_for
    from vae_lab.config.settings import Accelerator
    from vae_lab.errors import UserError

    try:
        kind = device_for(Accelerator(**jobs[0].config["accelerator"])).type
    except (UserError, ValueError):  # reported when the job is carried out
        return
    if kind == "cpu" and len(jobs) > 1:
        _note("on a CPU, stacking is hardly faster than one by one (8 jobs with model=dense: 1.04 times as fast, with "
              "model=cnn: 0.78 times); type launcher=joblib for jobs of more than a minute")  # fmt: skip
