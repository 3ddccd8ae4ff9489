"""Folders for files that can be produced again: datasets, classifiers, decoded images.

Several processes share them. A file is made by one process while the others wait for it, and has its name only when it
is complete.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from filelock import FileLock
from platformdirs import user_cache_path
from torch import Tensor

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


def key_of(options: object, files: Iterable[Path]) -> str:
    """Return a name for what is made from files: it changes with the options, and with every file's time and size."""
    digest = hashlib.sha256(repr(options).encode())
    for file in files:
        about = file.stat()
        digest.update(os.fsencode(file) + f"\n{about.st_mtime_ns}:{about.st_size}\n".encode())
    return digest.hexdigest()[:16]


def held_bytes(
    shape: tuple[int, ...], memory: int, key: Callable[[], str], fill: Callable[[np.ndarray], object]
) -> Tensor:
    """Return bytes of a shape: in memory, or if they take more than ``memory``, mapped from a file in the cache.

    Args:
        shape: the shape of the array.
        memory: bytes.
        key: the name of the file, see :func:`key_of`; called only if the file is needed.
        fill: writes the values into the array, whose values are 0 at first.

    Raises:
        UserError: the cache cannot be written to.
    """
    if np.prod(shape) > memory:
        return made_array(cache_dir("images") / f"{key()}.npy", shape, fill)
    array = np.zeros(shape, np.uint8)
    fill(array)
    return torch.from_numpy(array)


def made_array(path: Path, shape: tuple[int, ...], fill: Callable[[np.ndarray], object]) -> Tensor:
    """Return bytes of a shape that are mapped from a file of the cache, which is made first if necessary.

    Changes of the tensor stay in memory.

    Args:
        path: the file, ``….npy``.
        shape: the shape of the array.
        fill: writes the values into the array, whose values are 0 at first.

    Raises:
        UserError: the folder of the file cannot be written to.
    """

    def make(unfinished: Path) -> None:
        array = np.lib.format.open_memmap(unfinished, "w+", np.uint8, shape)
        _reserve(unfinished)
        fill(array)
        array.flush()

    def read(path: Path) -> Tensor | None:
        try:
            array = np.load(path, mmap_mode="c")
        except (OSError, ValueError, EOFError):
            return None
        return torch.from_numpy(array) if array.shape == shape and array.dtype == np.uint8 else None

    return made_once(path, make, read)


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


def _reserve(path: Path) -> None:
    """Take the disk space of a file that is still empty inside. On a full disk, a mapped file would end the process.

    Raises:
        OSError: there is not enough space.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _unwritable(path: Path, why: OSError) -> Unwritable:
    return Unwritable(f"{path} cannot be written ({why.strerror}); set VAE_LAB_CACHE=<a writable folder with room>")
