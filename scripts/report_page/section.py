"""A section of the page: what the report states, what the runs here show, and the verdict between them."""

from dataclasses import dataclass, field
from pathlib import Path

from vae_lab.figures.plots import Plot

MISSING = "Not run, or not finished."


@dataclass
class Section:
    """A figure of the report, with the corresponding result here."""

    title: str
    states: str  # what the report states
    seen: str  # what the runs here show
    plots: list[Plot] = field(default_factory=list)
    pictures: list[tuple[Path, str]] = field(default_factory=list)  # with their captions


def verdict(yes: bool, partly: bool) -> str:
    """Return the word for a statement that holds, holds in part or does not hold."""
    return "Holds." if yes else "Holds in part." if partly else "Does not hold here."
