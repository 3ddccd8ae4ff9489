"""What Slurm says of this person's jobs, in one question for all of them."""

import subprocess

LIVE = {
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
    "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD", "PREEMPTED",
}  # fmt: skip


def queue() -> dict[str, str] | None:
    """States by number (``12`` or, in an array, ``12_3``), also of jobs that ended in the last minutes.

    squeue and not sacct: many clusters have no accounting, and all of them answer for the queue. None where Slurm
    gives no answer, which says nothing about the jobs.
    """
    told = _ask("squeue", "--me", "--noheader", "--array", "--states=all", "--format=%F_%K|%T")
    if told is None:
        return None
    lines = (line.split("|") for line in told.splitlines() if "|" in line)
    return {number.removesuffix("_N/A"): state for number, state in lines}


def accounted(number: str) -> str:
    """The state of a job that the queue has forgotten; empty where nobody knows."""
    told = _ask("sacct", "--noheader", "--allocations", "--parsable2", f"--jobs={number}", "--format=State")
    return (told or "").strip().split(" ")[0]


def _ask(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
