"""Paths as users type them."""

import os
from pathlib import Path

from vae_lab.config.names import fitting


def expanded(text: str | Path) -> Path:
    """Return a typed path with ``~`` replaced by the home folder, unless a file or folder has this very name.

    A ``~name`` without such a user is a path like any other; ``Path.expanduser`` raises an error for it. Names that are
    too long for a file are cut, so that the same text leads to the same folder when it is written and when it is read.
    """
    return Path(text) if exists(text) else fitting(Path(os.path.expanduser(text)))


def exists(text: str | Path) -> bool:
    """Return whether a file or folder of this name exists; False for texts that no file can have as its name."""
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long, or it contains a null character
        return False
