"""The state of an unfinished fit of a sampler, kept in a file of its run folder."""

import time
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch

from vae_lab.config.node import Node
from vae_lab.system.files import write_torch
from vae_lab.system.reading import Damaged, refuse_unreadable


class KeptFit:
    """An implementation of :class:`vae_lab.types.Unfinished`, which also adds up the seconds of the fit.

    Args:
        path: the file; it is removed when the fit is complete.
        about: settings, weights and seed of the fit; a state that was kept under others is not used.
    """

    def __init__(self, path: Path, about: Node) -> None:
        self.path, self.about = path, about
        self._earlier, self._started = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time that the fit has taken, without interruptions."""
        return self._earlier + time.perf_counter() - self._started

    def read(self) -> dict[str, Any] | None:
        """Return the state that was kept; None if there is none of this fit.

        Raises:
            Damaged: the file is cut, or holds something else.
        """
        if not self.path.exists():
            return None
        refuse_unreadable(self.path)
        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
            if kept["about"] != self.about:
                return None
            self._earlier = float(kept["seconds"])
            state: dict[str, Any] = kept["state"]
            return state
        except Exception as why:  # for damaged archives, torch raises many kinds of exception
            reason = shorten(str(why), 100, placeholder="…")
            raise Damaged(self.path, f"is truncated or corrupt ({reason})", "remove it to start the fit again") from why

    def keep(self, state: dict[str, Any]) -> None:
        """Write the state, in the place of the one before."""
        write_torch(self.path, {"about": self.about, "seconds": self.seconds, "state": state})

    def remove(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
