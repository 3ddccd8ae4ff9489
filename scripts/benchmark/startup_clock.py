"""A clock for nested activities: each second counts for the innermost activity only."""

from collections.abc import Callable
from time import time as now
from typing import Any


class Clock:
    """Seconds by activity; entering an activity pauses the one that encloses it."""

    def __init__(self, first: str, started: float) -> None:
        self.seconds = {first: 0.0}
        self._open, self._since = [first], started
        self.running = True

    def enter(self, name: str) -> None:
        """Start an activity: from now on, time counts for ``name``."""
        self._count()
        self._open.append(name)

    def leave(self) -> None:
        """End the current activity: from now on, time counts for the enclosing one."""
        self._count()
        self._open.pop()

    def stop(self) -> None:
        """Stop the clock."""
        self._count()
        self.running = False

    def _count(self) -> None:
        time = now()
        if self.running:
            name = self._open[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + time - self._since
        self._since = time

    def timed(self, name: str, call: Callable) -> Callable:
        """Return the same function, whose time counts for the activity ``name``."""

        def wrapped(*args: Any, **more: Any) -> Any:
            self.enter(name)
            try:
                return call(*args, **more)
            finally:
                self.leave()

        return wrapped
