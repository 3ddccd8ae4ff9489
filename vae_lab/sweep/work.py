"""One job of a sweep, in whatever process it was sent to."""

import json
import os
import signal
import threading
import time

from vae_lab.runs import state
from vae_lab.sweep.jobs import Outcome, SweepJob
from vae_lab.system.processes import interrupt, is_further_process


def carry_out(job: SweepJob) -> Outcome:
    """Train the job's run, go on with it, or find it finished; a failure is written down and returned, not raised.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the run can be resumed.
    """
    if is_further_process(job.config["accelerator"]["devices"]):
        return _accompany(job)
    heed_sigterm()
    with state.in_use(job.folder, wait=True):  # a process of an earlier start of the sweep may still be at it
        if state.status_of(job.folder) != "finished":
            reason = _attempt(job, fresh=not (job.folder / "config.yaml").is_file())
            if reason:
                return failed(job, reason)
    return finished(job)


def heed_sigterm() -> None:
    """SIGTERM is what Ctrl-C is, where a handler can be set."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


def finished(job: SweepJob) -> Outcome:
    """The outcome of a job whose results are written."""
    try:
        results = json.loads((job.folder / "results.json").read_text(encoding="utf-8"))
        return Outcome(job.name, "finished", scores=dict(results["metrics"]), notes=list(results.get("notes", [])))
    except (ValueError, KeyError, TypeError):
        return Outcome(
            job.name, "failed", f"{job.folder / 'results.json'} is damaged; remove it to score the run again"
        )


def failed(job: SweepJob, reason: str) -> Outcome:
    """The outcome of a job that could not be brought to its end; written down."""
    state.write_failure(job.folder, reason)
    return Outcome(job.name, "failed", reason)


def _accompany(job: SweepJob) -> Outcome:
    """A further DDP process: train beside the first one, which writes the folder and takes all the rest."""
    from vae_lab.commands.train import train_worker

    while not ((job.folder / "config.yaml").is_file() and state.is_in_use(job.folder)):
        time.sleep(0.5)
    train_worker(job.folder)
    return Outcome(job.name, "finished")


def _attempt(job: SweepJob, fresh: bool) -> str:
    """Why it failed, or an empty string."""
    from rich.console import Console

    from vae_lab.commands.train import resume, train

    (job.folder / state.FAILURE).unlink(missing_ok=True)
    silent = Console(quiet=True)
    try:
        if fresh:
            train(job.config, job.folder, silent, job.sweep, job.command)
        else:
            resume(job.folder, silent)
        return ""
    except Exception as error:
        return reason_of(error)


def reason_of(error: Exception) -> str:
    """Why a job failed, in one line."""
    from vae_lab.config.hydra_errors import explain

    if os.environ.get("VAE_LAB_TRACE") == "1":
        import traceback

        traceback.print_exception(error)
    return explain(error)[1]
