"""Carries out one job of a sweep, in the process to which the launcher has sent it."""

import os
import signal
import threading
import time

from vae_lab.config.trust import targets_in, trusting
from vae_lab.errors import UserError
from vae_lab.runs import state
from vae_lab.runs.content import refuse_misplaced, results_of
from vae_lab.sweep.jobs import Outcome, SweepJob
from vae_lab.system import streams
from vae_lab.system.processes import interrupt, is_further_process
from vae_lab.system.reading import Damaged


def carry_out(job: SweepJob) -> Outcome:
    """Train the job's run, or resume it, unless it is finished already.

    A failure is not raised: it is written to the run folder and returned.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the run can be resumed.
    """
    if is_further_process(job.config["accelerator"]["devices"]):
        return _accompany(job)
    streams.prepare()  # the job's process may be a new one
    heed_sigterm()
    # The job's config was composed from what the user typed; the config in the folder may name nothing else. A process
    # of an earlier invocation may still be running the job, which is why this one waits.
    try:
        with trusting(targets_in(job.config)), state.in_use(job.folder, wait=True):
            if state.status_of(job.folder) != "finished":
                reason = _attempt(job, fresh=not (job.folder / "config.yaml").is_file())
                if reason:
                    return failed(job, reason)
    except UserError as why:  # the folder cannot be locked
        return Outcome(job.name, "failed", str(why))
    return finished(job)


def heed_sigterm() -> None:
    """Treat SIGTERM like Ctrl-C; without effect outside the main thread, where Python allows no signal handlers."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


def finished(job: SweepJob) -> Outcome:
    """Return the outcome of a job whose results are written."""
    try:
        results = results_of(job.folder)
    except Damaged as why:
        return Outcome(job.name, "failed", str(why))
    scores, notes = (results.metrics, results.notes) if results else ({}, [])
    return Outcome(job.name, "finished", scores=scores, notes=notes)


def failed(job: SweepJob, reason: str) -> Outcome:
    """Return the outcome of a job that failed, after writing the reason to its folder."""
    state.write_failure(job.folder, reason)
    return Outcome(job.name, "failed", reason)


def _accompany(job: SweepJob) -> Outcome:
    """Train as an additional DDP process, once the first one has written the folder; it also does everything else."""
    from vae_lab.commands.train import train_worker

    while not ((job.folder / "config.yaml").is_file() and state.is_in_use(job.folder)):
        time.sleep(0.5)
    with trusting(targets_in(job.config)):
        train_worker(job.folder)
    return Outcome(job.name, "finished")


def _attempt(job: SweepJob, fresh: bool) -> str:
    """Train or resume the job's run; return the reason if it failed, else an empty string."""
    from rich.console import Console

    from vae_lab.commands.train import resume, train

    silent = Console(quiet=True)
    try:
        refuse_misplaced(job.folder)
        (job.folder / state.FAILURE).unlink(missing_ok=True)
        if fresh:
            train(job.config, job.folder, silent, job.sweep, job.command)
        else:
            resume(job.folder, silent)
        return ""
    except Exception as error:
        return reason_of(error)


def reason_of(error: Exception) -> str:
    """Return in one line why a job failed; print the traceback, too, if the user asked for it."""
    from vae_lab.config.hydra_errors import explain

    if os.environ.get("VAE_LAB_TRACE") == "1":
        import traceback

        traceback.print_exception(error)
    return explain(error)[1]
