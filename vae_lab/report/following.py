"""The progress of long steps: one line on a terminal, and elsewhere, as in a log file, a line now and then."""

import time
from collections.abc import Iterable, Iterator, Sized
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from vae_lab.system.live import is_live

if TYPE_CHECKING:
    from vae_lab.types import Progress, T

FIRST, EVERY = 5.0, 30.0  # seconds until the first line of a log, and between two lines


def tracker(console: Console) -> "Progress":
    """Return a wrapper of iterables that shows how far they are and, if they have a length, the time left.

    Args:
        console: where it is shown; if it is not a terminal, steps of a few seconds show nothing.
    """

    def follow(steps: "Iterable[T]", description: str, /) -> "Iterable[T]":
        if is_live(console):
            return track(steps, description, console=console, transient=True)
        return _in_lines(console, steps, description)

    return follow


def _in_lines(console: Console, steps: "Iterable[T]", description: str) -> "Iterator[T]":
    total = len(steps) if isinstance(steps, Sized) else 0
    started = time.monotonic()
    next_line = started + FIRST
    for done, step in enumerate(steps):
        now = time.monotonic()
        if done and now >= next_line:
            next_line = now + EVERY
            share = f"{done:,} of {total:,}, about {clock((now - started) * (total / done - 1))} left" if total else ""
            text = f"{description}: {share or f'{done:,} done'}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        yield step


def clock(seconds: float) -> str:
    """Return a duration as text: ``1 h 5 min``, ``3 min 20 s`` or ``12 s``."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
