"""The state of run folders, read without torch: what is finished, under way, failed, and whether it is the same run."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from vae_lab.config.renamed import current
from vae_lab.errors import UserError
from vae_lab.system.files import YAML_LOADER, write_json

Node = dict[str, Any]

FAILURE = "failure.json"
_LOCK = ".lock"
_ELSEWHERE = ("data_dir", "choices", "logger", "resume")  # where data lie and logs go changes no number


@contextmanager
def in_use(folder: Path, wait: bool = False) -> Iterator[None]:
    """Only one process at a time works in a run folder; the system itself lets go when a process dies.

    Args:
        folder: made if it is missing.
        wait: for as long as another process has it.

    Raises:
        UserError: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=-1 if wait else 1, poll_interval=0.2)
    except Timeout as why:
        raise UserError(f"{folder} is in use by another process; wait until it ends, or choose another folder") from why
    try:
        yield
    finally:
        lock.release()
        (folder / _LOCK).unlink(missing_ok=True)


def is_in_use(folder: Path) -> bool:
    """Whether a process works in the folder right now."""
    if not (folder / _LOCK).exists():
        return False
    try:
        with FileLock(folder / _LOCK, timeout=0):
            return False
    except Timeout:
        return True


def status_of(folder: Path) -> str:
    """``finished``, ``failed``, ``interrupted`` or, where nothing was begun, ``new``."""
    if (folder / "results.json").is_file():
        return "finished"
    if (folder / FAILURE).is_file():
        return "failed"
    return "interrupted" if (folder / "config.yaml").is_file() else "new"


def share_done(folder: Path, epochs: int) -> float:
    """How much of its epochs a run has behind it, 0 to 1."""
    path = folder / "metrics.csv"
    if not path.is_file():
        return 0.0
    with path.open("rb") as file:
        return min(1.0, max(0, sum(1 for _ in file) - 1) / epochs)


def write_failure(folder: Path, reason: str) -> None:
    """Leave word of why a run failed; what it wrote stays, so that it can be tried again."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FAILURE, {"status": "failed", "reason": reason})


def failure_of(folder: Path) -> str:
    """Why a run failed, or an empty string."""
    try:
        return str(json.loads((folder / FAILURE).read_text(encoding="utf-8"))["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def identity(config: Node) -> str:
    """Equal for configs that give the same numbers and pictures on one machine."""
    kept = {key: value for key, value in config.items() if key not in _ELSEWHERE}
    accelerator = {key: value for key, value in config["accelerator"].items() if key != "kind"}
    return json.dumps({**kept, "accelerator": accelerator}, sort_keys=True, default=str)


def saved_config(folder: Path) -> Node | None:
    """The config of a run folder; None where there is none that can be read."""
    try:
        config = current(yaml.load((folder / "config.yaml").read_text(encoding="utf-8"), Loader=YAML_LOADER))
        return config if isinstance(config, dict) and isinstance(config.get("accelerator"), dict) else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
