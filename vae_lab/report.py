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

_MEANING = {
    "loss": "as minimised, nats per image",
    "recon": "−log p(x|z), nats per image",
    "kl": "KL[q(z|x) ‖ p(z)], nats per image",
    "elbo": "−recon − kl, nats per image, higher is better",
    "bits_per_dim": "−elbo in bits per value",
    "active_units": "latent dimensions in use",
    "fid": "samples against test images, lower is better",
    "fid_reconstructions": "reconstructions against test images",
    "fid_floor": "real training images against test images",
    "label_distance": "total variation, samples' labels from real ones; 0 is best",
    "label_confidence": "mean confidence of the classifier in samples",
}


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
    """The closing table, what could not be scored and why, and the folder."""
    table = Table(title=f"Test scores: {title}", title_justify="left", title_style="bold")
    table.add_column("score")
    table.add_column("value", justify="right")
    table.add_column("meaning")
    loss_terms = scores.protocol.get("loss_terms", {})
    for name, value in scores.values.items():
        short = name.removeprefix("test/")
        meaning = _MEANING.get(short, "")
        if short == "recon" and loss_terms.get("recon_leaves_out"):
            meaning = "sum of squared errors per image"
        if short == "elbo" and loss_terms.get("recon_leaves_out"):
            meaning = "with the likelihood's constant, nats per image, higher is better"
        if short == "fid" and "test/fid_floor" in scores.values:
            meaning += f" (floor {scores.values['test/fid_floor']:.2f})"
        table.add_row(short, f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}", escape(meaning))
    if scores.values:
        console.print(table)
    protocol = scores.protocol.get("fid")
    if protocol:
        console.print(
            f"FID: {protocol['images']:,} images, {protocol['features']}, sha256 {protocol['classifier_sha256'][:12]}…",
            style="dim", highlight=False, soft_wrap=True,
        )  # fmt: skip
    for note in scores.notes:
        console.print(note, style="bold yellow", highlight=False, soft_wrap=True)
    console.print(f"Everything is in {run_dir}", highlight=False, soft_wrap=True)
