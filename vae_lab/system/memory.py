"""Memory on a CPU: memory that one training step frees is kept for the next one."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD in glibc's malloc.h
_LARGE = 1 << 30  # bytes


def keep_freed_memory() -> bool:
    """Make glibc keep freed blocks of up to 1 GB, and return whether it will. Other allocators are left unchanged.

    By default, glibc returns large blocks to the system at once, and the next step has to obtain the same pages again.
    The cost depends on the machine and on the batch; docs/performance.md has figures.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS, musl, Windows
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE) and mallopt(_TRIM_THRESHOLD, _LARGE))
