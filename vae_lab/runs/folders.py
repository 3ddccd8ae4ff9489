"""Tells run folders, and the folders above them, by the names of their files."""

from pathlib import Path

from vae_lab.runs.content import CONFIG, ENVIRONMENT, FAILURE, HISTORY, RESULTS, SWEEP

_FILES = (CONFIG, FAILURE, RESULTS, ENVIRONMENT, HISTORY)


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, including an interrupted, failed or damaged one."""
    return any((folder / name).is_file() for name in _FILES)


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (folder / SWEEP).is_file() and not is_run(folder)


def runs_in(folder: Path) -> list[Path]:
    """Return the run folders directly inside a folder, in the order of their numbers."""
    try:
        inner = sorted(folder.iterdir(), key=lambda path: natural(path.name))
    except OSError:
        return []
    return [path for path in inner if not path.name.startswith(".") and path.is_dir() and is_run(path)]


def natural(name: str) -> tuple[int, str]:
    """Return a sort key that orders the jobs of a sweep by number, so that 2-… comes before 10-…"""
    number = name.partition("-")[0]
    return (int(number) if number.isdecimal() and len(number) < 20 else -1, name)
