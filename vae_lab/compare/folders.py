"""Finds run folders from the words that the user typed: runs, folders above them, sweeps and globs."""

import glob
import os
from pathlib import Path

from vae_lab.config.paths import expanded
from vae_lab.errors import UserError
from vae_lab.runs.folders import is_run, natural


def resolve(words: list[str], command: str) -> list[Path]:
    """Return the folders that the words name; a word that is not an existing path is read as a glob.

    Args:
        words: paths and globs.
        command: the command that the user typed, for messages.

    Raises:
        UserError: no word was typed, or a word matches no folder.
    """
    if not words:
        raise UserError(f"{command} needs run folders or folders above them; type vae-lab {command} outputs/<date>")
    resolved: list[Path] = []
    for word in words:
        path = expanded(word)
        matches = [path] if path.exists() else [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        folders = [match for match in matches if match.is_dir()]
        if not folders:
            problem = "a file, not a folder" if matches else "no such folder, and nothing matches it as a glob"
            raise UserError(f"{word}: {problem}; type vae-lab {command} outputs/<date>/<run or sweep>")
        resolved += folders
    return resolved


def run_folders(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Return every run folder in or below ``paths``, each once and in order, and the ``paths`` that hold no run."""
    folders: dict[Path, Path] = {}
    empty = []
    for path in paths:
        below = _runs_below(path)
        if not below:
            empty.append(path)
        for folder in below:
            folders.setdefault(folder.resolve(), folder)
    return list(folders.values()), empty


def _runs_below(path: Path) -> list[Path]:
    """The run folders in or below a path.

    The search does not descend into run folders, because W&B writes its own config.yaml inside them.
    """
    if is_run(path):
        return [path]
    runs = []
    for folder, names, _ in os.walk(path):
        names[:] = sorted((name for name in names if not name.startswith(".")), key=natural)
        for name in [name for name in names if is_run(Path(folder) / name)]:
            runs.append(Path(folder) / name)
            names.remove(name)
    return runs
