"""Carries out jobs of a sweep, as many of them together as can be; the others by ``work``, one after the other.

torch is loaded when the first job starts: a launcher is made, and told what there is to do, without it.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from vae_lab import folders
from vae_lab.jobs import Job, Outcome, Work
from vae_lab.sweep.work import failed, finished, heed_sigterm, reason_of

if TYPE_CHECKING:
    from vae_lab.run import Prepared, UnderWay

Ended = Iterator[tuple[Job, Outcome]]


def together(work: Work, jobs: Sequence[Job], most: int | None = None) -> Ended:
    """Jobs as they end.

    Args:
        work: carries out one job alone.
        jobs: of one sweep.
        most: jobs in a stack; None: as many as fit into memory.

    Raises:
        Interrupted: Ctrl-C or SIGTERM.
    """
    from vae_lab.stack.grouping import settings_of

    heed_sigterm()
    alike: dict[str, list[Job]] = {}
    for job in jobs:
        alike.setdefault(settings_of(job), []).append(job)
    for some in alike.values():
        yield from _alike(work, some, most)


def _alike(work: Work, jobs: list[Job], most: int | None) -> Ended:
    """Jobs whose settings are equal: those of one structure train together."""
    from vae_lab.stack.grouping import stacks

    prepared = _prepared(jobs) if len(jobs) > 1 else {}
    groups = stacks(list(prepared.values()))
    names = {id(one): name for name, one in prepared.items()}
    by_name = {job.name: job for job in jobs}
    for group in groups:
        if len(group) > 1:
            yield from _stack(work, [(by_name[names[id(one)]], one) for one in group])
    stacked = {names[id(one)] for group in groups for one in group if len(group) > 1}
    for job in jobs:
        if job.name not in stacked:
            yield job, work(job)


def _prepared(jobs: list[Job]) -> dict[str, "Prepared"]:
    """What the runs consist of, sharing the images. One that cannot be had is left out: alone it will tell why."""
    from vae_lab.run import prepare, prepare_again

    found: dict[str, Prepared] = {}
    data = None
    for job in jobs:
        own = None if data is None else data.reseeded(job.config["dataset"]["seed"])
        try:
            begun = folders.status_of(job.folder) != "new"
            found[job.name] = prepare_again(job.folder, own) if begun else prepare(job.config, job.folder, own)
        except Exception:
            continue
        data = data or found[job.name].data
    return found


def _stack(work: Work, jobs: list[tuple[Job, "Prepared"]]) -> Ended:
    """Train together, score one by one."""
    from vae_lab.stack.fit import fit

    with ExitStack() as locks:
        for job, _ in jobs:
            locks.enter_context(folders.in_use(job.folder, wait=True))
        begun: dict[str, UnderWay] = {}
        for job, prepared in jobs:
            try:
                begun[job.name] = _begun(job, prepared, len(jobs))
            except Exception as error:
                yield job, failed(job, reason_of(error))
        runs = [(job, begun[job.name]) for job, _ in jobs if job.name in begun]
        members = fit([run for _, run in runs])
        for (job, run), member in zip(runs, members):
            yield job, Outcome(job.name, "failed", member.reason) if member.reason else _score(job, run, member.steps)


def _begun(job: Job, prepared: "Prepared", size: int) -> "UnderWay":
    from vae_lab.run import UnderWay, begin

    (job.folder / folders.FAILURE).unlink(missing_ok=True)
    if prepared.environment is not None:
        return UnderWay(prepared)
    return begin(prepared, job.sweep, job.command, stacked=size)


def _score(job: Job, run: "UnderWay", steps: int) -> Outcome:
    from rich.console import Console

    from vae_lab.devices import device_for

    scores = None
    try:
        scores = run.score(Console(quiet=True), device_for(run.settings.accelerator), steps)
    except Exception as error:
        return failed(job, reason_of(error))
    finally:
        run.close(scores)
    return finished(job)
