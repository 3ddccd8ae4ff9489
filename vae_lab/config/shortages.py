"""Recognises errors that mean that memory, disk space or another resource of the machine has run out."""

import errno
import re
from collections.abc import Iterator

_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "unable to allocate", "bad_alloc",
           "can't start new thread", "failed to map segment", "not enough memory", "mmap can't allocate")  # fmt: skip
_DISK = ("no space left on device", "disk quota exceeded", "inline_container.cc", "file write failed", "file too large")
# The errors of a full disk: no space, no space left for this user, and a file larger than allowed.
NO_ROOM = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))


def shortage(error: BaseException) -> str | None:
    """Return in one line what has run out and what to do; None if an error has another cause."""
    for cause in _causes(error):
        text, number = str(cause).lower(), getattr(cause, "errno", None)
        if number in NO_ROOM or (not isinstance(cause, OSError) and any(sign in text for sign in _DISK)):
            name = getattr(cause, "filename", None)
            where = f" of {name}" if name else ""
            return f"the disk{where} is full; free some space, then type the command again, or resume the run"
        if isinstance(cause, MemoryError) or number == errno.ENOMEM or any(sign in text for sign in _MEMORY):
            return f"memory has run out{_amount(str(cause))}; type a smaller batch_size, or choose a smaller model"
        if number in (errno.EMFILE, errno.ENFILE):
            return "too many files are open; raise the limit with ulimit -n 4096"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _amount(text: str) -> str:
    """Return in brackets how much was asked for, if the message says so."""
    found = re.search(r"allocate ([\d.]+) ?(\w+)", text)
    if not found:
        return ""
    amount, unit = found.groups()
    return f" ({int(amount) / 2**30:,.1f} GiB more are needed)" if unit == "bytes" else f" ({amount} {unit} are needed)"
