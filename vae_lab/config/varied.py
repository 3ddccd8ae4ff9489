"""A key that a sweep varies, with its values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Varied:
    """A key that a sweep varies.

    Either values that are tried one by one, or a span that a search may draw from (``interval(0.1,10)``).
    """

    key: str
    values: list[str]  # as typed; empty for an interval
    span: tuple[float, float] | None = None
    log: bool = False  # drawn evenly on a logarithmic scale
    whole: bool = False  # whole numbers of the span
