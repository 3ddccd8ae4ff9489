"""Carries out jobs of a sweep, as many of them together as can be; the others by ``work``, one after the other.

torch is loaded when the first job starts: a launcher is made, and told what there is to do, without it.
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
    """Jobs as they end.

    Args:
        work: carries out one job alone.
        jobs: of one sweep.
        most: jobs in a stack; None: as many as fit into memory.

    Raises:
        Interrupted: Ctrl-C or SIGTERM.
    """
    from vae_lab.stack.grouping import settings_of

    _advise(jobs)
    heed_sigterm()
    alike: dict[str, list[SweepJob]] = {}
    for job in jobs:
        alike.setdefault(settings_of(job), []).append(job)
    for some in alike.values():
        yield from _alike(work, some, most)


def _alike(work: Work, jobs: list[SweepJob], most: int | None) -> Ended:
    """Jobs whose settings are equal: those of one structure train together."""
    from vae_lab.stack.grouping import stacks

    prepared = _prepared(jobs) if len(jobs) > 1 else []
    several = [group for group in stacks(prepared) if len(group) > 1] if prepared else []
    by_folder = {job.folder: job for job in jobs}
    del prepared
    for group in several:
        for part in _parts(group, most):
            some = [(by_folder.pop(one.run_dir), one) for one in part]
            yield from _stack(work, some)
    if several or len(jobs) == 1:
        yield from ((job, work(job)) for job in by_folder.values())
        return
    _tell(f"{len(jobs)} jobs share no stack (networks of different shapes, compile=true, a plateau schedule, "
          "optimizers that are not elementwise …) and run one by one")  # fmt: skip
    yield from ((job, work(job)) for job in jobs)


def _tell(text: str) -> None:
    print(f"launcher=vectorized: {text}", file=sys.stderr)


def _parts(group: list["Prepared"], most: int | None) -> Iterator[list["Prepared"]]:
    """As large as memory allows; what would be a part of one is left out."""
    from vae_lab.stack.room import most_that_fit, split

    limits = [limit for limit in (most, most_that_fit(group[0])) if limit is not None]
    start = 0
    for size in split(len(group), min(limits, default=None)):
        if size > 1:
            yield group[start : start + size]
        start += size


def _prepared(jobs: list[SweepJob]) -> list["Prepared"]:
    """What the runs consist of, sharing the images. One that cannot be had is left out: alone it will tell why."""
    from vae_lab.runs.preparing import prepare, prepare_again

    found: list[Prepared] = []
    for job in jobs:
        data = found[0].data.reseeded(job.config["dataset"]["seed"]) if found else None
        try:
            new = not (job.folder / "config.yaml").is_file()
            found.append(prepare(job.config, job.folder, data) if new else prepare_again(job.folder, data))
        except Exception:
            continue
    return found


def _stack(work: Work, jobs: list[tuple[SweepJob, "Prepared"]]) -> Ended:
    """Train together, score one by one; should that fail for whatever reason, they are carried out alone."""
    ended = set()
    try:
        for job, outcome in _trained_and_scored(jobs):
            ended.add(job.name)
            yield job, outcome
    except Exception as error:
        told = "jobs could not be trained together, and are carried out one by one"
        print(f"{len(jobs)} {told}: {reason_of(error)}", file=sys.stderr)
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
                held.callback(begun[-1][1].close, None)  # where something stops it
            except Exception as error:
                yield job, failed(job, reason_of(error))
        if not begun:
            return
        members = fit([run for _, run in begun])
        for _, run in begun:
            run.hold()
        for (job, run), member in zip(begun, members):
            yield job, Outcome(job.name, "failed", member.reason) if member.reason else _score(job, run, member.steps)


def _begun(job: SweepJob, prepared: "Prepared", size: int) -> "ActiveRun":
    from vae_lab.runs.active_run import ActiveRun, begin

    (job.folder / state.FAILURE).unlink(missing_ok=True)
    if prepared.environment is not None:
        return ActiveRun(prepared)
    return begin(prepared, job.sweep, job.command, stacked=size)


def _score(job: SweepJob, run: "ActiveRun", steps: int) -> Outcome:
    from rich.console import Console

    from vae_lab.config.devices import device_for

    scores = None
    try:
        scores = run.score(Console(quiet=True), device_for(run.settings.accelerator), steps)
    except Exception as error:
        return failed(job, reason_of(error))
    finally:
        run.close(scores)
    return finished(job)


def _advise(jobs: Sequence[SweepJob]) -> None:
    from vae_lab.config.devices import device_for
    from vae_lab.config.schema import Accelerator
    from vae_lab.errors import UserError

    try:
        kind = device_for(Accelerator(**jobs[0].config["accelerator"])).type
    except (UserError, ValueError):  # told when the job is carried out
        return
    if kind == "cpu" and len(jobs) > 1:
        _tell("on a CPU stacking gains little (8 models: 1.04 times as fast as one by one with model=dense, 0.78 times "
              "with cnn); for jobs of more than a minute type launcher=joblib")  # fmt: skip
