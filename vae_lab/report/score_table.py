"""The scores of a run as lines of text: one line per score, under a heading for what it is about."""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import shorten

from rich.text import Text

from vae_lab.report.rounding import plain, with_error
from vae_lab.scores import FLOORS, Scores, parted

LEAST = 16  # columns that a meaning needs; with less room, it is left out
_SIGNS = {"lower is better": "↓", "higher is better": "↑", "0 is best": "→0", "1 is best": "→1"}
SIGNS = "↓ lower is better, ↑ higher is better, →0 and →1 best at this value"


@dataclass(frozen=True)
class _Row:
    name: str
    value: str
    error: str  # half of the 95 % interval; empty if there is none
    floor: str
    meaning: str


def score_lines(scores: Scores, width: int | None) -> Iterator[Text]:
    """Yield the lines of the scores, with an empty line before each heading.

    A value is rounded to its error. Names and numbers are never cut; meanings are, where a width is given.

    Args:
        scores: the scores; ``topics`` gives their headings.
        width: columns of the terminal, in which the direction of a score is a sign before its meaning; None: a line
            may be of any length, as in a file, and has the meaning as it is.
    """
    floors = floors_of(scores)
    topics: dict[str, list[_Row]] = {}
    for name in scores.values:
        if name not in floors:
            topics.setdefault(scores.topics.get(name, ""), []).append(_row(scores, name))
    for topic, rows in topics.items():
        yield Text()
        yield from _of_topic(topic, rows, width)


def floors_of(scores: Scores) -> set[str]:
    """Return the names of all floors whose score is present, too; they stand in the line of their score."""
    return {name for name in scores.values if parted(name)[0] in scores.values.keys() - {name}}


def _row(scores: Scores, name: str) -> _Row:
    low, high = scores.intervals.get(name, (0.0, 0.0))
    value, error = with_error(scores.values[name], (high - low) / 2 if high - low > 1e-9 else None)
    floors = [scores.values.get(name + end) for end in FLOORS]
    part, floor = ("" if at is None else plain(at, digits) for at, digits in zip(floors, (3, 4)))
    both = f"{floor} ({part})" if floor and part else floor or part
    return _Row(name.removeprefix("test/"), value, error, both, scores.meanings.get(name, ""))


def _of_topic(topic: str, rows: list[_Row], width: int | None) -> Iterator[Text]:
    """Yield the heading, which names the columns, and the rows below it."""
    errors, floors = any(row.error for row in rows), any(row.floor for row in rows)
    names = max(len(topic), *(len(row.name) + 2 for row in rows))
    values = max(len("value"), *(len(row.value) for row in rows))
    halves = max(len(" ± 95 %"), *(len(row.error) + 3 for row in rows)) if errors else 0
    reached = max(len("floor"), *(len(row.floor) for row in rows)) + 2 if floors else 0
    left = None if width is None else width - names - values - halves - reached - 4
    value, interval, floor = "value", " ± 95 %" if errors else "", "floor" if floors else ""
    yield Text(f"{topic:<{names}}  {value:>{values}}{interval:<{halves}}{floor:>{reached}}".rstrip(), style="bold")
    for row in rows:
        error = f" ± {row.error}" if row.error else ""
        numbers = f"{'  ' + row.name:<{names}}  {row.value:>{values}}{error:<{halves}}{row.floor:>{reached}}"
        meaning = row.meaning if left is None else signed(row.meaning)
        yield Text.assemble(numbers, "  ", (_cut(meaning, left), "dim")) if meaning else Text(numbers.rstrip())


def signed(meaning: str) -> str:
    """Return a meaning with its direction as a sign in front, where a narrow terminal does not cut it.

    >>> signed("samples against test images, lower is better")
    '↓ samples against test images'
    """
    for words, sign in _SIGNS.items():
        for start in (", ", "; "):
            if start + words in meaning:
                return f"{sign} {meaning.replace(start + words, '', 1)}"
    return meaning


def _cut(meaning: str, left: int | None) -> str:
    """A meaning in the columns that are left for it, cut after a word."""
    if left is None or len(meaning) <= left:
        return meaning
    return shorten(meaning, left, placeholder="…") if left >= LEAST else ""
