"""A command's config as Hydra composed it from the user's words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vae_lab.config.node import Node


@dataclass(frozen=True)
class Composed:
    """A resolved config, with what Hydra knows about it."""

    config: Node
    words: Sequence[str]  # the overrides, as typed
    choices: dict[str, str | None]  # the option of each group
    folder: Path  # the run folder
    sweep: str | None  # the name of the Hydra sweep that this job belongs to; None: a single run
    primary: str  # the name of the file that the config began with
    typed: list[str] = field(default_factory=list)  # the command line after the command, as the user typed it
