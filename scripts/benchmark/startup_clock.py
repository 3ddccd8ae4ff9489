"""A clock that several things share: each second counts for the innermost thing that is going on."""

from collections.abc import Callable
from time import time as now
from typing import Any


class Clock:
    """Seconds by name; what is entered inside another stops the other's clock."""

    def __init__(self, first: str, started: float) -> None:
        self.seconds = {first: 0.0}
        self._open, self._since = [first], started
        self.running = True

    def enter(self, name: str) -> None:
        """From now on time counts for this."""
        self._count()
        self._open.append(name)

    def leave(self) -> None:
        """From now on time counts for what this was part of."""
        self._count()
        self._open.pop()

    def stop(self) -> None:
        """Nothing counts any more."""
        self._count()
        self.running = False

    def _count(self) -> None:
        time = now()
        if self.running:
            name = self._open[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + time - self._since
        self._since = time

    def timed(self, name: str, call: Callable) -> Callable:
        """The same function, its time counted under a name."""

        def wrapped(*args: Any, **more: Any) -> Any:
            self.enter(name)
            try:
                return call(*args, **more)
            finally:
                self.leave()

        return wrapped
