"""Terminal output before and after training."""

from collections.abc import Collection, Iterable
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vae_lab.config.node import Node
from vae_lab.examples import Data
from vae_lab.scores import Scores


def print_plan(console: Console, title: str, data: Data, environment: Node) -> None:
    """Print the run that starts: its title, parameters, device, the sizes of its data, and notes about the data."""
    console.print(f"[bold]{escape(title)}[/bold]", highlight=False, soft_wrap=True)
    console.print(
        f"{environment['parameters']:,} parameters on {environment['device']}; "
        f"{len(data.train):,} training, {len(data.val):,} validation, {len(data.test):,} test "
        f"{data.values.describe(data.x_shape)}",
        highlight=False,
        soft_wrap=True,
    )
    print_notes(console, data.notes)


def print_notes(console: Console, notes: Iterable[str]) -> None:
    """Print sentences that the user should read, one per line."""
    for note in notes:
        console.print(note, style="bold yellow", markup=False, highlight=False, soft_wrap=True)


def print_scores(console: Console, scores: Scores, title: str, run_dir: Path, printed: Collection[str] = ()) -> None:
    """Print the table of scores, how they were computed, notes about scores that are missing, and the run folder.

    Args:
        console: where to print.
        scores: the scores of the run.
        title: the run's key settings.
        run_dir: the run folder.
        printed: notes that were printed earlier and are left out.
    """
    if scores.values:
        console.print(_table(scores, title))
    if floors := _floors(scores):
        console.print(f"floor: the score of {_reference(floors)}", style="dim")
    for protocol, names in _protocols(scores).items():
        console.print(f"{', '.join(names)}: {protocol}", style="dim", markup=False, highlight=False, soft_wrap=True)
    for name, about in scores.protocol.get("samplers", {}).items():
        fit = f"sampler={name}: {about['sampler']}, fitted to {about['codes']} in {about['seconds']:.3g} s"
        console.print(fit, style="dim", markup=False, highlight=False, soft_wrap=True)
    print_notes(console, (note for note in scores.notes if note not in printed))
    console.print(f"Everything is in {run_dir}", markup=False, highlight=False, soft_wrap=True)


def _protocols(scores: Scores) -> dict[str, list[str]]:
    """One line for each protocol of scores of images, and the metrics that were computed under it."""
    metrics: dict[str, list[str]] = {}
    for name, protocol in scores.protocol.items():
        if isinstance(protocol, dict) and "extractor_sha256" in protocol:
            line = f"{protocol['images']:,} images, {protocol['features']}, sha256 {protocol['extractor_sha256'][:12]}…"
            metrics.setdefault(line, []).append(name)
    return metrics


def _floors(scores: Scores) -> set[str]:
    """The names of all floors whose score is present, too."""
    return {name for name in scores.values if name.removesuffix("_floor") in scores.values.keys() - {name}}


def _reference(floors: set[str]) -> str:
    """What reaches these floors; all but that of ``mmd`` are of scores of images."""
    if floors == {"test/mmd_floor"}:
        return "draws from the prior"
    return "real training images" + (" (mmd: of draws from the prior)" if "test/mmd_floor" in floors else "")


def _table(scores: Scores, title: str) -> Table:
    """A table with one row per score, and the floor of the score in a column of this row."""
    table = Table(title=f"Test scores: {escape(title)}", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    floors = _floors(scores)
    table.add_column("score", overflow="fold")  # long names are wrapped, not shortened, so that they can be looked up
    table.add_column("value", justify="right")
    if scores.intervals:
        table.add_column("95 %", justify="right")
    if floors:
        table.add_column("floor", justify="right")
    table.add_column("meaning")
    for name in (name for name in scores.values if name not in floors):
        cells = [name.removeprefix("test/"), _number(scores.values[name])]
        if scores.intervals:
            low, high = scores.intervals.get(name, (0, 0))
            cells.append(f"± {(high - low) / 2:.2g}" if high - low > 1e-9 else "")
        if floors:
            cells.append(_number(scores.values[f"{name}_floor"]) if f"{name}_floor" in floors else "")
        table.add_row(*cells, escape(scores.meanings.get(name, "")))
    return table


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"
