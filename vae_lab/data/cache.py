"""Folders for files that can be produced again: datasets, classifiers, decoded images.

Several processes share them. A file is made by one process while the others wait for it, and has its name only when it
is complete.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from platformdirs import user_cache_path

from vae_lab.config.paths import expanded
from vae_lab.errors import UserError
from vae_lab.system.files import replaced

T = TypeVar("T")


class Unwritable(UserError):
    """The cache cannot be written to."""


def cache_dir(kind: str) -> Path:
    """Return ``$VAE_LAB_CACHE/<kind>``, or without that variable a folder in the user's cache; create it if needed.

    Raises:
        Unwritable: the folder cannot be created.
    """
    root = os.environ.get("VAE_LAB_CACHE")
    path = (expanded(root) if root else user_cache_path("vae-lab")) / kind
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise _unwritable(path, why) from why
    return path


def refuse_unwritable(kind: str) -> None:
    """Check that files can be written to a folder of the cache.

    Raises:
        Unwritable: they cannot; it says what to do.
    """
    folder = cache_dir(kind)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as why:
        raise _unwritable(folder, why) from why


def data_root(data_dir: str | None) -> Path:
    """Return the folder that holds datasets: ``data_dir``, else ``$VAE_LAB_DATA``, else a folder in the cache."""
    chosen = data_dir or os.environ.get("VAE_LAB_DATA")
    return expanded(chosen).absolute() if chosen else cache_dir("data")


def made_once(path: Path, make: Callable[[Path], None], read: Callable[[Path], T | None]) -> T:
    """Read a file of the cache; if it is missing or damaged, make it first, in one process at a time.

    Args:
        path: the file.
        make: writes the file to the path that it receives.
        read: reads the file; None if it is damaged.

    Returns:
        What ``read`` returns.

    Raises:
        Unwritable: the folder of the file cannot be written to.
    """
    content = read(path) if path.exists() else None
    if content is not None:
        with suppress(OSError):  # a cache that may only be read
            _lock_of(path).unlink(missing_ok=True)  # of a process that was killed just after it had made the file
        return content
    try:
        with one_at_a_time(path):
            content = read(path) if path.exists() else None  # another process may have made it meanwhile
            return _made(path, make, read) if content is None else content
    except OSError as why:
        if why.filename not in (str(path), str(_lock_of(path))):
            raise  # it is about something that ``make`` has read
        raise _unwritable(path, why) from why


def _made(path: Path, make: Callable[[Path], None], read: Callable[[Path], T | None]) -> T:
    with replaced(path) as unfinished:
        make(unfinished)
        content = read(unfinished)  # before others see it, since they may remove it
        if content is None:
            raise UserError(f"{path} is not what was written to it; set VAE_LAB_CACHE=<a folder on another disk>")
    return content


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Let only one process at a time make a file; the others wait. The lock ends with the process that holds it.

    Raises:
        OSError: the folder cannot be written to.
    """
    with FileLock(_lock_of(path), poll_interval=0.1):
        try:
            yield
        finally:
            _lock_of(path).unlink(missing_ok=True)  # a process that waits for it then finds the file made


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _unwritable(path: Path, why: OSError) -> Unwritable:
    return Unwritable(f"{path} cannot be written ({why.strerror}); set VAE_LAB_CACHE=<a writable folder with room>")
