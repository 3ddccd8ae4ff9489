"""Pictures of detected anomalies: the distribution of a score with its threshold, and the images with their errors."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from matplotlib import colormaps, rcParams
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from vae_lab.figures.image_grids import caption, centres, image_grid, label_row, pick, show
from vae_lab.figures.style import BLUE, ORANGE, literal, new_figure, number
from vae_lab.scores import Trained

_BINS = 60
_COLUMNS = 12  # images of the sheet side by side
_COLOURS = "magma"  # of the errors; its brightness rises evenly


class Found(Protocol):
    """The result of one score, as :class:`vae_lab.evaluation.detection.Detected` has it."""

    label: str
    scores: Tensor
    held_out: Tensor
    false_alarms: float

    @property
    def p_values(self) -> Tensor:
        """The p-value of every image."""

    @property
    def threshold(self) -> float:
        """The score above which an image is flagged."""

    @property
    def flagged(self) -> Tensor:
        """Whether each image is flagged."""

    @property
    def order(self) -> Tensor:
        """The positions of the images, the most anomalous one first."""


def histogram(found: Found, subtitle: str) -> Figure:
    """Draw the scores of given images and of held-out normal images, with the threshold between them.

    The axis ends at the 99th percentile of all scores, or beyond the threshold; higher scores are in the last bin,
    which is grey then.
    """
    both = torch.cat([found.scores, found.held_out])
    low, high = both.min().item(), max(both.quantile(0.99).item(), found.threshold)
    high += 0.05 * (high - low) or 1.0
    flagged = int(found.flagged.sum())
    title = (
        f"{flagged:,} of {len(found.scores):,} images above the threshold, "
        f"p ≤ {found.false_alarms:g} among {len(found.held_out):,} held-out normal images"
    )
    figure = new_figure(6.4, 3.4, title, subtitle)
    axes = figure.subplots()
    bins = np.linspace(low, high, _BINS + 1).tolist()
    for scores, name, colour in ((found.held_out, "held-out normal images", BLUE),
                                 (found.scores, "given images", ORANGE)):  # fmt: skip
        clipped = scores.clamp(max=high).numpy()
        weights = np.full(len(clipped), 100 / len(clipped))
        axes.hist(clipped, bins, weights=weights, histtype="stepfilled", color=colour, alpha=0.45, label=name)
        axes.hist(clipped, bins, weights=weights, histtype="step", color=colour, lw=1.2)
    axes.axvline(found.threshold, color="black", ls="--", lw=1.4, label=f"threshold {number(found.threshold, '.4g')}")
    if beyond := int((both > high).sum()):
        told = f"last bin: {beyond:,} higher score{'s' if beyond > 1 else ''}, too"
        axes.axvspan(bins[-2], bins[-1], color="0.85", zorder=0, label=told)
    axes.set(xlabel=literal(found.label), ylabel="share of images (%)")
    axes.legend(frameon=False)
    return figure


def sheet(found: Found, names: Sequence[str], batches: Callable[[], Iterator[Tensor]], trained: Trained) -> Figure:
    """Draw images above their reconstructions and error maps, the most anomalous first; flagged ones are framed.

    An error map is |x − x̂|, the mean over the channels. All maps have one colour scale.

    Args:
        found: the result of a score.
        names: the names of the first images in its order; so many are drawn.
        batches: starts a pass over the images, [b, C, H, W] at a time.
        trained: reconstructs them.
    """
    places = found.order[: len(names)].tolist()
    x = pick(batches(), places)
    with torch.inference_mode():
        x_hat = torch.cat([trained.reconstruct(part.to(trained.device)).cpu() for part in x.split(250)])
    errors = (x - x_hat).abs().mean(1)  # [n, H, W]
    largest = max(errors.max().item(), 1e-9)
    columns, (height, width) = min(_COLUMNS, len(names)), x.shape[2:]
    blocks = [slice(i, i + columns) for i in range(0, len(names), columns)]
    gap = max(1, round(width / 8))  # room for the frames of two neighbours
    inches = max(6.4, 0.8 * columns) / columns  # the width of an image with its gap
    high = len(blocks) * 3 * inches * (height + gap) / (width + gap)
    score = found.label.rpartition(", ")[0]
    title = f"The {len(names)} most anomalous of {len(found.scores):,} images by {score}; framed: flagged"
    below = 0.14 * (5 if any("/" in name for name in names) else 4) * len(blocks)  # lines of text
    figure = new_figure(inches * columns + 1.4, high + below + 0.3, title, trained.title, pictures=high)
    coloured = torch.from_numpy(colormaps[_COLOURS](errors.numpy() / largest)[..., :3]).permute(0, 3, 1, 2)
    rows = figure.subplots(len(blocks), 1, squeeze=False)[:, 0]
    for axes, block in zip(rows, blocks):
        shown = [part.expand(-1, 3, -1, -1) for part in (x[block], x_hat[block], coloured[block].float())]
        missing = columns - len(shown[0])
        filled = [torch.cat([part, torch.ones(missing, *part.shape[1:])]) for part in shown]
        show(axes, image_grid(torch.cat(filled), columns, gap))
        for row, name in enumerate(("input", "reconstruction", "error")):
            label_row(axes, name, gap + row * (height + gap) + (height - 1) / 2)
        texts = [_text(found, place, name) for place, name in zip(places[block], names[block])]
        caption(axes, texts, centres(columns, width, gap), 3 * (height + gap), size=_letters(texts, inches))
        for column, place in enumerate(places[block]):
            if found.flagged[place]:
                _frame(axes, column, width, height, gap)
    scale = ScalarMappable(Normalize(0, largest), _COLOURS)
    figure.colorbar(scale, ax=list(rows), label="error |x − x̂|, mean over channels", shrink=0.9, pad=0.01)
    return figure


def _frame(axes: Axes, column: int, width: int, height: int, gap: int) -> None:
    """Frame the input of a column, so close to it that the frame of its neighbour does not touch this one."""
    left, top, room = gap + column * (width + gap) - 0.5, gap - 0.5, gap / 4
    size = (width + 2 * room, height + 2 * room)
    axes.add_patch(Rectangle((left - room, top - room), *size, fill=False, ec=ORANGE, lw=1.8, clip_on=False))


def _letters(texts: Sequence[str], inches: float) -> float:
    """The size in points at which the longest line leaves a letter's room in a column of this width."""
    longest = max(len(line) for text in texts for line in text.splitlines())
    return min(0.75 * rcParams["font.size"], 72 * 0.9 * inches / (longest + 1) / 0.65)


def _text(found: Found, place: int, name: str) -> str:
    """The folder of an image, if it has one, its name, its score and its p-value, a line each."""
    folder, _, file = name.rpartition("/")
    lines = [*([_short(folder) + "/"] if folder else []), _short(file)]
    return "\n".join([*lines, number(found.scores[place].item(), ".4g"), f"p = {found.p_values[place].item():.2g}"])


def _short(text: str, letters: int = 12) -> str:
    """A text without its middle if it is long; names of a folder often differ in their ends."""
    return text if len(text) <= letters else f"{text[: letters // 2 - 1]}…{text[-letters // 2 :]}"
