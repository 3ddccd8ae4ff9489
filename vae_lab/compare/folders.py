"""From what a person typed to run folders: runs, folders above them, sweeps, globs."""

import glob
import os
from pathlib import Path

from vae_lab.errors import UserError

_MARKS = {"config.yaml", "failure.json", "results.json", "environment.json", "metrics.csv"}


def resolve(words: list[str]) -> list[Path]:
    """Existing paths; a word that is none is read as a glob.

    Raises:
        UserError: nothing was typed, or a word leads nowhere.
    """
    if not words:
        raise UserError("compare needs run folders or folders above them; type vae-lab compare outputs/<date>")
    found: list[Path] = []
    for word in words:
        path = Path(word).expanduser()
        matches = [path] if path.exists() else [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        folders = [match for match in matches if match.is_dir()]
        if not folders:
            what = "a file, not a folder" if matches else "no such folder, and nothing matches it as a glob"
            raise UserError(f"{word}: {what}; type vae-lab compare outputs/<date>/<run or sweep>")
        found += folders
    return found


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, be it half-written or failed."""
    return any((folder / name).is_file() for name in _MARKS)


def run_folders(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Every run in or below these, each once, in order; and those of ``paths`` that hold none."""
    found: dict[Path, Path] = {}
    empty = []
    for path in paths:
        below = _below(path)
        if not below:
            empty.append(path)
        for folder in below:
            found.setdefault(folder.resolve(), folder)
    return list(found.values()), empty


def _below(path: Path) -> list[Path]:
    """Not inside run folders: W&B keeps a config.yaml of its own there."""
    if is_run(path):
        return [path]
    found = []
    for folder, names, _ in os.walk(path):
        names[:] = sorted((name for name in names if not name.startswith(".")), key=_natural)
        for name in [name for name in names if is_run(Path(folder) / name)]:
            found.append(Path(folder) / name)
            names.remove(name)
    return found


def _natural(name: str) -> tuple[int, str]:
    """Jobs of a sweep in their order: 2-… before 10-…"""
    number = name.partition("-")[0]
    return (int(number) if number.isdecimal() else -1, name)
