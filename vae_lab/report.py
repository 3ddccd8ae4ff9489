"""What a person reads on the terminal before and after training."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from vae_lab.types import Data, Scores

T = TypeVar("T")


def tracker(console: Console) -> Any:
    """(iterable, description) to the same iterable with a progress line on a terminal."""

    def follow(steps: Iterable[T], description: str) -> Iterable[T]:
        return track(steps, description, console=console, transient=True, disable=not console.is_terminal)

    return follow


def print_plan(console: Console, title: str, data: Data, environment: dict[str, Any]) -> None:
    """What is about to be trained on what."""
    channels, height, width = data.x_shape
    console.print(f"[bold]{title}[/bold]", highlight=False, soft_wrap=True)
    console.print(
        f"{environment['parameters']:,} parameters on {environment['device']}; "
        f"{len(data.train):,} training, {len(data.val):,} validation, {len(data.test):,} test images "
        f"of {channels}×{height}×{width}",
        highlight=False,
        soft_wrap=True,
    )


def print_scores(console: Console, scores: Scores, title: str, run_dir: Path) -> None:
    """The closing table, how it came about, what could not be scored and why, and the folder."""
    if scores.values:
        console.print(_table(scores, title))
    for name, protocol in scores.protocol.items():
        if isinstance(protocol, dict) and "features" in protocol and "images" in protocol:
            told = f"{protocol['images']:,} images, {protocol['features']}, sha256 {protocol['extractor_sha256'][:12]}…"
            console.print(f"{name}: {told}", style="dim", highlight=False, soft_wrap=True)
    for note in scores.notes:
        console.print(note, style="bold yellow", highlight=False, soft_wrap=True)
    console.print(f"Everything is in {run_dir}", highlight=False, soft_wrap=True)


def _table(scores: Scores, title: str) -> Table:
    """One row per score; what real images reach under the same protocol stands beside it."""
    table = Table(title=f"Test scores: {title}", title_justify="left", title_style="bold")
    intervals = any(name in scores.values for name in scores.intervals)
    floors = {
        name for name in scores.values if name.endswith("_floor") and name.removesuffix("_floor") in scores.values
    }
    table.add_column("score")
    table.add_column("value", justify="right")
    if intervals:
        table.add_column("95 % interval", justify="right")
    if floors:
        table.add_column("real images", justify="right")
    table.add_column("meaning")
    for name, value in scores.values.items():
        if name in floors:
            continue
        cells = [name.removeprefix("test/"), _number(value)]
        if intervals:
            low, high = scores.intervals.get(name, (None, None))
            cells.append("" if low is None or high is None else f"{_number(low)} – {_number(high)}")
        if floors:
            floor = f"{name}_floor"
            cells.append(_number(scores.values[floor]) if floor in floors else "")
        table.add_row(*cells, escape(scores.meanings.get(name, "")))
    return table


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"
