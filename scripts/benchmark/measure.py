"""Runs one worker in a process of its own and reads what it measured."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from environments import last_line

WORKERS = Path(__file__).parent / "workers"
ROOT = Path(__file__).parents[2]
VAE_LAB = [sys.executable, "-c", "from vae_lab.cli import program; program()"]  # of this checkout


class WorkerFailed(Exception):
    """With the last line of what it said."""


def worker_environment(threads: int) -> dict[str, str]:
    """The same for all: so many threads, this checkout's vae-lab, and a terminal to show progress on."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path, "FORCE_COLOR": "1"}


def measured(python: Path, worker: str, told: dict[str, Any], threads: int, minutes: float = 20) -> dict[str, Any]:
    """What a worker found; ``told`` is what it is given.

    Raises:
        WorkerFailed: it ended badly, or not in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "told.json", Path(folder) / "found.json"
        given.write_text(json.dumps(told), encoding="utf-8")
        environment = {**worker_environment(threads), "BENCHMARK_STARTED": repr(time.time())}
        command = [python, WORKERS / f"{worker}.py", given, found]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60 * minutes
            )
        except subprocess.TimeoutExpired as why:
            raise WorkerFailed(f"not done after {minutes:g} minutes") from why
        if done.returncode or not found.exists():
            raise WorkerFailed(last_line(done.stderr or done.stdout))
        return json.loads(found.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
