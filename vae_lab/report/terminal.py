"""Terminal output before and after training."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from math import isnan
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from vae_lab.config.node import Node
from vae_lab.examples import Data
from vae_lab.report.score_table import SIGNS, floors_of, score_lines, signed
from vae_lab.scores import FLOORS, Scores


def print_plan(console: Console, title: str, data: Data, environment: Node, notes: Iterable[str]) -> None:
    """Print the run that starts: its title, parameters, device, the sizes of its data, and what is known beforehand."""
    console.print(f"[bold]{escape(title)}[/bold]", highlight=False, soft_wrap=True)
    console.print(
        f"{environment['parameters']:,} parameters on {environment['device']}; "
        f"{len(data.train):,} training, {len(data.val):,} validation, {len(data.test):,} test "
        f"{data.values.describe(data.x_shape)}",
        highlight=False,
        soft_wrap=True,
    )
    print_notes(console, notes)


def print_plainly(console: Console, line: str | None) -> None:
    """Print a line as it is, e.g. with a path or a command to copy; None: nothing."""
    if line:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_notes(console: Console, notes: Iterable[str]) -> None:
    """Print sentences that the user should read, one per line."""
    for note in notes:
        console.print(note, style="bold yellow", markup=False, highlight=False, soft_wrap=True)


def print_scores(
    console: Console,
    scores: Scores,
    title: str,
    run_dir: Path,
    printed: Collection[str] = (),
    earlier: Mapping[str, float] | None = None,
) -> None:
    """Print the scores, how they were computed, notes about scores that are missing, and the run folder.

    In a terminal, lines are as wide as it is; in a file, each score has one line with its whole meaning.

    Args:
        console: where to print.
        scores: the scores to print, e.g. those that a command has computed.
        title: the run's key settings.
        run_dir: the run folder.
        printed: notes that were printed earlier and are left out.
        earlier: scores that the run had before. Of the scores to print, those that have not changed are only counted,
            and so are those that are not to be printed.
    """
    earlier, known = earlier or {}, scores.values.keys()
    scores, same = _changed(scores, earlier)
    wraps = console.is_terminal  # a line in a file stays one line
    say = partial(console.print, style="dim", markup=False, highlight=False, soft_wrap=not wraps)
    if scores.values:
        console.print(f"Scores: {title}", style="bold", markup=False, highlight=False, soft_wrap=not wraps)
    for line in score_lines(scores, console.width if wraps else None):
        console.print(line, soft_wrap=True)
    if scores.values:
        console.print()
    if wraps and any(signed(meaning) != meaning for meaning in scores.meanings.values()):
        say(SIGNS)
    if floors := floors_of(scores):
        say(f"floor: the score of {_reference(floors)}")
    for protocol, names in _protocols(scores).items():
        say(f"{', '.join(names)}: {protocol}")
    own = {"prior": scores.protocol["prior"]} if "prior" in scores.protocol else {}
    fits = own | {f"sampler={name}": about for name, about in scores.protocol.get("samplers", {}).items()}
    for name, about in fits.items():
        say(f"{name}: {about['sampler']}, fitted to {about['codes']} in {about['seconds']:.3g} s")
    if same:
        say(f"{same} score{'s' if same > 1 else ''} as before")
    print_notes(console, (note for note in scores.notes if note not in printed))
    console.print(
        f"Everything is in {run_dir}{_more(scores, earlier.keys() - known)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _changed(scores: Scores, earlier: Mapping[str, float]) -> tuple[Scores, int]:
    """The scores that are new or have another value than earlier, or whose floor has, and the number of the others."""
    floors = floors_of(scores)
    names = [name for name in scores.values if name not in floors]

    def differs(name: str) -> bool:
        values = [
            (scores.values[full], earlier.get(full)) for end in ("", *FLOORS) if (full := name + end) in scores.values
        ]
        return not all(now == before or (_is_nan(now) and _is_nan(before)) for now, before in values)

    shown = [name for name in names if differs(name)]
    if len(shown) == len(names):
        return scores, 0
    kept = {name + end for name in shown for end in ("", *FLOORS)}
    values = {name: value for name, value in scores.values.items() if name in kept}
    meanings = {name: text for name, text in scores.meanings.items() if name in kept}
    protocol = scores.protocol if shown else {}
    return replace(scores, values=values, meanings=meanings, protocol=protocol), len(names) - len(shown)


def _is_nan(value: float | None) -> bool:
    return value is not None and isnan(value)


def _more(scores: Scores, others: Collection[str]) -> str:
    """What ``results.json`` has beyond the printed lines."""
    parts = [f"{len(others)} other score{'s' if len(others) > 1 else ''}"] if others else []
    parts += ["meanings in full"] if scores.meanings else []
    return f"; results.json has {', '.join([*parts, 'protocols'])}" if parts else ""


def _protocols(scores: Scores) -> dict[str, list[str]]:
    """One line for each protocol of scores of images, and the metrics that were computed under it."""
    metrics: dict[str, list[str]] = {}
    for name, protocol in scores.protocol.items():
        if isinstance(protocol, dict) and "extractor_sha256" in protocol:
            line = f"{protocol['images']:,} images, {protocol['features']}, sha256 {protocol['extractor_sha256'][:12]}…"
            metrics.setdefault(line, []).append(name)
    return metrics


def _reference(floors: set[str]) -> str:
    """What reaches these floors; all but that of ``mmd`` are of scores of images."""
    if floors == {"test/mmd_floor"}:
        return "draws from the prior"
    part = "; in brackets what sampling error alone gives" if any("_split" in name for name in floors) else ""
    return "real training images" + (" (mmd: of draws from the prior)" if "test/mmd_floor" in floors else "") + part
