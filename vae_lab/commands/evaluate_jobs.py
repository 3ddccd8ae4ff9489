"""Scores or draws the finished runs of a sweep one by one; a run that fails does not stop the others."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from vae_lab.config.hydra_errors import explain
from vae_lab.errors import RunFailed, UserError
from vae_lab.runs.content import RESULTS, sweep_command
from vae_lab.runs.folders import runs_in
from vae_lab.runs.state import status_of


def evaluate_jobs(
    sweep: Path, console: Console, evaluate: Callable[[Path], None], command: str = "evaluate", done: str = "scored"
) -> None:
    """Call a function for every finished run of a sweep, and print how many there are and what was left out.

    Args:
        sweep: the folder of the sweep.
        console: shows progress.
        evaluate: scores or draws one run folder.
        command: the command that the user typed, for messages.
        done: what it does to the runs, as a participle.

    Raises:
        UserError: no run of the sweep is finished.
        RunFailed: names the runs for which the function failed.
    """
    runs = runs_in(sweep)
    # Whatever stands in the place of results.json was meant to be one, and is named when it cannot be read.
    finished = [run for run in runs if status_of(run) == "finished" or os.path.lexists(run / RESULTS)]
    left_out = [run.name for run in runs if run not in finished]
    if not finished:
        again = sweep_command(sweep) or "its command"
        raise UserError(f"run={sweep}: none of its {len(runs)} runs is finished; type {again} again")
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    started, reasons = time.monotonic(), {}
    for number, run in enumerate(finished, 1):
        say(f"{number}/{len(finished)} {run.name}", style="bold")
        try:
            evaluate(run)
        except Exception as error:
            reasons[run.name] = explain(error, command)[1]
            say(f"{run.name}: {reasons[run.name]}", style="red")
    scored, seconds = len(finished) - len(reasons), round(time.monotonic() - started)
    unfinished = f"; not finished and left out: {', '.join(left_out)}" if left_out else ""
    compare = f"to compare them, type vae-lab compare {sweep}"
    say(f"{done.capitalize()} {scored} of {len(runs)} runs in {seconds} s{unfinished}; {compare}")
    if reasons:
        failed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise RunFailed(f"{len(reasons)} of {len(finished)} runs could not be {done} ({failed})")
