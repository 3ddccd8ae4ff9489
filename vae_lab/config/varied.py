"""A key that a sweep varies, with its values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Varied:
    """A key that a sweep varies.

    It has a list of values to try, a span from which a search may draw (``interval(0.1,10)``), or both.
    """

    key: str
    values: list[str]  # as typed; empty for an interval
    span: tuple[float, float] | None = None
    log: bool = False  # whether a search draws evenly on a logarithmic scale
    whole: bool = False  # whether a search draws whole numbers from the span
