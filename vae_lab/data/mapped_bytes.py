"""Images as bytes that do not fit into memory: one file of the cache, mapped by all jobs that need it.

The file is made once, by one process while the others wait, and has its name only when it is complete. Its pages are
in the memory of the system, which all processes share and may take back; reading them in random order is as fast as
reading from memory once they are there (docs/performance.md). The system is therefore asked for the whole file at the
start if it fits: read in the order of an epoch, a file that is still on the disk takes four times as long.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vae_lab.data.cache import cache_dir, made_once


def key_of(options: object, files: Iterable[Path]) -> str:
    """Return a name for what is made from files, ``<origin>-<content>``.

    The origin depends on the options and on the folder of the files, the content on every file's time and size, too:
    of two names with one origin, one is out of date.
    """
    files = list(files)
    times = [(file, file.stat()) for file in files]
    content = b"".join(os.fsencode(file) + f"\n{about.st_mtime_ns}:{about.st_size}\n".encode() for file, about in times)
    return _key(f"{options!r}\n{os.path.commonpath(files)}", content)


def key_of_code(options: object, package: Path) -> str:
    """Return a name for what the modules of a package compute, ``<origin>-<content>``.

    The origin depends on the options, the content on the text of the modules. Where they lie and when they were written
    does not matter, so that all copies and installations of one version share a file.
    """
    texts = [f"{file.name}\n{file.read_text(encoding='utf-8')}\n" for file in sorted(package.glob("*.py"))]
    return _key(f"{options!r}\n{package.name}", "".join(texts).encode())


def _key(origin: str, content: bytes) -> str:
    start = origin.encode("utf-8", "surrogateescape")
    return f"{hashlib.sha256(start).hexdigest()[:16]}-{hashlib.sha256(start + content).hexdigest()[:16]}"


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

    Changes of the tensor stay in memory. When a file is made whose name is of :func:`key_of`, those of the same origin
    that are out of date are removed; jobs that have mapped one keep it until they end.

    Args:
        path: the file, ``….npy``.
        shape: the shape of the array.
        fill: writes the values into the array, whose values are 0 at first.

    Raises:
        UserError: the folder of the file cannot be written to, or its disk has too little space.
    """

    def make(unfinished: Path) -> None:
        _refuse_full(unfinished, int(np.prod(shape)))
        array = np.lib.format.open_memmap(unfinished, "w+", np.uint8, shape)
        _reserve(unfinished)
        fill(array)
        array.flush()
        _remove_outdated(path)

    def read(path: Path) -> Tensor | None:
        try:
            _read_ahead(path)
            array = np.load(path, mmap_mode="c")
        except (OSError, ValueError, EOFError):
            return None
        return torch.from_numpy(array) if array.shape == shape and array.dtype == np.uint8 else None

    return made_once(path, make, read)


def _refuse_full(path: Path, size: int) -> None:
    """Check that the disk of a file has room for so many bytes.

    Raises:
        OSError: it has not.
    """
    free = shutil.disk_usage(path.parent).free
    if free < size:
        told = f"No space left on device: {_gib(size)} GiB are needed, and {_gib(free)} GiB are free"
        raise OSError(ENOSPC, told, str(path))


def _gib(size: int) -> str:
    return f"{size / 2**30:,.2g}" if size < 2**30 else f"{size / 2**30:,.1f}"


def _reserve(path: Path) -> None:
    """Take the disk space of a file that is still empty inside. On a full disk, a mapped file would end the process.

    Raises:
        OSError: there is not enough space.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _read_ahead(path: Path) -> None:
    """Ask the system to read a file of at most half of the memory, which it does while the program goes on."""
    if not hasattr(os, "posix_fadvise"):  # not on macOS and Windows
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with path.open("rb") as file:
        if path.stat().st_size <= memory // 2:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def _remove_outdated(path: Path) -> None:
    origin, dash, _ = path.stem.partition("-")
    if len(origin) != 16 or not dash:
        return  # another kind of name
    for other in path.parent.glob(f"{origin}-*"):
        if other.stem != path.stem:
            with suppress(OSError):  # Windows keeps files that are mapped
                other.unlink()
