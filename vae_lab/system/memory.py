"""Memory on a CPU: what a step gives back is kept for the next one."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGE = 1 << 30  # bytes


def keep_freed_memory() -> bool:
    """Have glibc keep freed blocks of up to 1 GB; whether it does (other systems have other allocators).

    Left alone it returns large blocks to the system at once, and the next step pays for the same pages anew. What that
    costs depends on the machine and on the batch: docs/performance.md has figures.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS, musl, Windows
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE) and mallopt(_TRIM_THRESHOLD, _LARGE))
