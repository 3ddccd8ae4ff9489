"""Queries Slurm for the states of the user's jobs, with one command for all of them."""

import subprocess

LIVE = {
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
    "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD", "PREEMPTED",
}  # fmt: skip


def queue() -> dict[str, str] | None:
    """Return the states of the user's jobs by job id (``12`` or, in an array, ``12_3``).

    Jobs that ended in the last minutes are included. The result is None if Slurm does not answer, which does not mean
    that the jobs have ended. squeue is used instead of sacct because many clusters have no accounting.
    """
    answer = _ask("squeue", "--me", "--noheader", "--array", "--states=all", "--format=%F_%K|%T")
    if answer is None:
        return None
    lines = (line.split("|") for line in answer.splitlines() if "|" in line)
    return {number.removesuffix("_N/A"): state for number, state in lines}


def accounted(number: str) -> str:
    """Return the state of a job that is no longer in the queue, from Slurm's accounting; empty if it is unknown."""
    answer = _ask("sacct", "--noheader", "--allocations", "--parsable2", f"--jobs={number}", "--format=State")
    return (answer or "").strip().split(" ")[0]


def _ask(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
