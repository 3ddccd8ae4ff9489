"""Run a worker in a separate process and read its measurements."""

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
    """A worker has failed; the message is the last line of its output."""


def worker_environment(threads: int) -> dict[str, str]:
    """Return the environment variables of all workers: the number of threads, this checkout, forced colour output."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path, "FORCE_COLOR": "1"}


def measured(python: Path, worker: str, task: dict[str, Any], threads: int, minutes: float = 20) -> Any:
    """Run a worker and return its measurements.

    Args:
        python: interpreter to run it with.
        worker: name of a file in ``workers/``, without its suffix.
        task: JSON that the worker reads.
        threads: threads of torch.
        minutes: time limit.

    Raises:
        WorkerFailed: the worker failed or exceeded the time limit.
    """
    with tempfile.TemporaryDirectory() as folder:
        task_file, result_file = Path(folder) / "task.json", Path(folder) / "result.json"
        task_file.write_text(json.dumps(task), encoding="utf-8")
        environment = {**worker_environment(threads), "BENCHMARK_STARTED": repr(time.time())}
        command = [python, WORKERS / f"{worker}.py", task_file, result_file]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60 * minutes
            )
        except subprocess.TimeoutExpired as why:
            raise WorkerFailed(f"not finished after {minutes:g} minutes") from why
        if done.returncode or not result_file.exists():
            raise WorkerFailed(last_line(done.stderr or done.stdout))
        return json.loads(result_file.read_text(encoding="utf-8"))
