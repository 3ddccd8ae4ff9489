"""The standard streams of every process of the program: they exist, encode all text, and cannot end the work.

A run must not be lost because its output has nowhere to go: after ``>&-``, ``| head -1`` or ``> /dev/full``, it goes on
without output and writes its folder.
"""

import errno
import io
import logging
import os
import sys
from typing import IO, Any

_NAMES = {1: "stdout", 2: "stderr"}
_lost: dict[int, OSError] = {}  # the first error of each stream, other than that its reader has ended


def prepare() -> None:
    """Set up the streams of this process, at its start.

    * A closed stream leads nowhere. Otherwise the next file that is opened would take its place, and receive output.
    * Characters that the encoding lacks are replaced by ``?``.
    * When a stream cannot be written any more, for example because its reader has ended, output is dropped.
    * A library whose log file cannot be written, for example on a full disk, does not print a traceback for each entry.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            _lead_nowhere(number)
    for number, name in _NAMES.items():
        setattr(sys, name, _robust(number, getattr(sys, name)))
    logging.raiseExceptions = False
    if not os.environ.get("COLUMNS", "80").lstrip("0"):
        del os.environ["COLUMNS"]  # a width of 0 means that it is not known


def what_was_lost() -> str | None:
    """Flush the streams; return why output is missing from stdout, or None if all was written or its reader ended."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return _lost[1].strerror if 1 in _lost else None


def _robust(number: int, stream: IO[str] | None) -> IO[str]:
    """Return a stream like the given one, with a file that cannot fail beneath it."""
    raw = getattr(getattr(stream, "buffer", None), "raw", getattr(stream, "buffer", None))
    replaces = isinstance(raw, io.FileIO) and not isinstance(raw, _CannotFail) and raw.fileno() == number
    if stream is not None and not replaces:  # it is prepared already, or a notebook's or a test's
        return stream
    if stream is not None:
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_CannotFail(number, "w", closefd=False)),
        encoding=getattr(stream, "encoding", "utf-8"),
        errors="replace",
        line_buffering=getattr(stream, "line_buffering", True),
        write_through=getattr(stream, "write_through", False),
    )


class _CannotFail(io.FileIO):
    """A file whose writes succeed even if the data go nowhere."""

    def write(self, data: Any, /) -> int:
        """Write data; after an error, lead the file to nowhere and report success."""
        try:
            return super().write(data) or 0
        except BlockingIOError:
            raise
        except OSError as why:
            if why.errno not in (errno.EPIPE, errno.ECONNRESET):
                _lost.setdefault(self.fileno(), why)
            _lead_nowhere(self.fileno())
            return len(data)


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
