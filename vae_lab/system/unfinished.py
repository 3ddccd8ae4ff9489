"""Temporary files and folders, which a process locks while it writes them and which are removed if it was killed.

A temporary file lies beside the file that it will become, on the same file system, and is called
``.<name>.<8 hexadecimal digits>.part``. The operating system releases the lock when the process ends, however it ends,
so that a file without a lock is a leftover. On Windows and on file systems without locks, leftovers stay.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME = re.compile(r"\..+\.[0-9a-f]{8}\.part")
_cleaned: set[Path] = set()  # folders in which this process has looked for leftovers


@contextmanager
def unfinished(path: Path, folder: bool = False) -> Iterator[Path]:
    """Yield a new temporary file or folder beside ``path``; it is removed if it is still there after the block.

    Before the first one in a folder, leftovers of killed processes are removed from this folder.

    Args:
        path: what the file or the folder will become.
        folder: create a folder.
    """
    if path.parent not in _cleaned:
        remove_leftovers(path.parent)
        _cleaned.add(path.parent)
    temporary, lock = _new(path, folder)
    try:
        yield temporary
    finally:
        _remove(temporary)
        if lock is not None:
            os.close(lock)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders in a folder that no living process is writing."""
    if fcntl is None:
        return
    for path in [Path(entry) for entry in os.scandir(folder) if _NAME.fullmatch(entry.name)]:
        with suppress(OSError):  # another process is writing it or has just removed it, or it is not ours to remove
            lock = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path)
            finally:
                os.close(lock)


def _new(path: Path, folder: bool) -> tuple[Path, int | None]:
    """Create a temporary file or folder and lock it; return it and the lock's descriptor, None without locks."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        temporary.mkdir() if folder else temporary.touch(exist_ok=False)
        if fcntl is None:
            return temporary, None
        with suppress(FileNotFoundError):  # another process found it before it was locked and removed it
            lock = os.open(temporary, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            if temporary.exists():
                return temporary, lock
            os.close(lock)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
