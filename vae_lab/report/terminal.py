"""What a person reads on the terminal before and after training."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from vae_lab.examples import Data
from vae_lab.scores import Scores

T = TypeVar("T")


def tracker(console: Console) -> Any:
    """(iterable, description) to the same iterable with a progress line on a terminal."""

    def follow(steps: Iterable[T], description: str) -> Iterable[T]:
        return track(steps, description, console=console, transient=True, disable=not console.is_terminal)

    return follow


def print_plan(console: Console, title: str, data: Data, environment: dict[str, Any]) -> None:
    """What is about to be trained on what."""
    console.print(f"[bold]{escape(title)}[/bold]", highlight=False, soft_wrap=True)
    console.print(
        f"{environment['parameters']:,} parameters on {environment['device']}; "
        f"{len(data.train):,} training, {len(data.val):,} validation, {len(data.test):,} test "
        f"{data.values.describe(data.x_shape)}",
        highlight=False,
        soft_wrap=True,
    )


def print_scores(console: Console, scores: Scores, title: str, run_dir: Path) -> None:
    """The closing table, how it came about, what could not be scored and why, and the folder."""
    if scores.values:
        console.print(_table(scores, title))
    if _floors(scores):
        prior = " (mmd: draws of the prior)" if "test/mmd_floor" in scores.values else ""
        console.print(f"floor: what real training images reach{prior}", style="dim")
    for told, names in _protocols(scores).items():
        console.print(f"{', '.join(names)}: {told}", style="dim", markup=False, highlight=False, soft_wrap=True)
    for name, about in scores.protocol.get("samplers", {}).items():
        told = f"sampler={name}: {about['sampler']}, fitted to {about['codes']} in {about['seconds']:.3g} s"
        console.print(told, style="dim", markup=False, highlight=False, soft_wrap=True)
    for note in scores.notes:
        console.print(note, style="bold yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(f"Everything is in {run_dir}", markup=False, highlight=False, soft_wrap=True)


def _protocols(scores: Scores) -> dict[str, list[str]]:
    """The protocols of scores of images in one line each, with the metrics that share it."""
    found: dict[str, list[str]] = {}
    for name, protocol in scores.protocol.items():
        if isinstance(protocol, dict) and "extractor_sha256" in protocol:
            told = f"{protocol['images']:,} images, {protocol['features']}, sha256 {protocol['extractor_sha256'][:12]}…"
            found.setdefault(told, []).append(name)
    return found


def _floors(scores: Scores) -> set[str]:
    """Names of floors whose scores are there, too."""
    return {name for name in scores.values if name.removesuffix("_floor") in scores.values.keys() - {name}}


def _table(scores: Scores, title: str) -> Table:
    """One row per score; what real images reach under the same protocol stands beside it."""
    table = Table(title=f"Test scores: {escape(title)}", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    floors = _floors(scores)
    table.add_column("score", overflow="fold")  # a name is whole, or it cannot be looked up
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
