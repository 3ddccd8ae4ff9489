"""The error of noisy test images and of their reconstructions by strength of the noise, with examples of both."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import PositiveInt

from vae_lab.figures.image_grids import caption, centres, image_grid, label_row, show
from vae_lab.figures.style import BLUE, GREY, ORANGE, new_figure
from vae_lab.functional import noised
from vae_lab.scores import Trained


class DenoisingCurves:
    """Two curves of errors above ``examples`` test images, each image as a pair of rows.

    The upper row shows the image at every noise strength, the lower row its reconstructions.
    """

    needs = ("images",)
    draws = ("denoising",)

    def __init__(self, examples: PositiveInt = 3) -> None:
        self.examples = examples

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``denoising`` has no result."""
        rows = trained.scores.arrays.get("denoising")
        if not rows:
            return None
        sigmas = [row["sigma"] for row in rows]
        batch = next(trained.data.batches("test", size=self.examples))
        clean = batch.target
        eps = trained.noise("denoising figure").normal(*clean.shape)
        inputs = torch.stack([noised(clean, sigma, eps) for sigma in sigmas], 1)  # [examples, sigmas, C, H, W]
        y = None if batch.y is None else batch.y.repeat_interleave(len(sigmas), 0)
        reconstructions = trained.reconstruct(inputs.flatten(0, 1), y).unflatten(0, inputs.shape[:2])
        height, width = clean.shape[2:]
        rows_high = 2 * len(clean) * 0.66 * height / width  # the labels of the curves' y axis take a part of the width
        figure = new_figure(0.72 * len(sigmas) + 0.4, rows_high + 4, _title(trained), trained.title, rows_high)
        grid_high = rows_high * figure.get_figwidth() / (0.72 * len(sigmas) + 0.4)
        top, bottom = figure.subplots(2, 1, height_ratios=[figure.get_figheight() - grid_high - 0.9, grid_high + 0.4])
        _curves(top, rows, trained.scores.values.get("test/denoising_from"))
        pairs = torch.stack([inputs, reconstructions], 1).flatten(0, 2)  # two rows per example
        show(bottom, image_grid(pairs, len(sigmas)))
        bottom.set_title("test images with noise of strength σ, and their reconstructions", pad=16)
        for row in range(len(pairs) // len(sigmas)):
            label_row(bottom, "decoded" if row % 2 else "noisy", (row + 0.5) * (height + 1))
        caption(bottom, [f"{sigma:g}" for sigma in sigmas], centres(len(sigmas), width), 0, above=True)
        return figure


def _title(trained: Trained) -> str:
    values, at = trained.scores.values, trained.scores.protocol["denoising"]["at"]
    mse, input_mse = values["test/denoising_mse"], values["test/denoising_input_mse"]
    return f"Denoising: squared error {mse:.4f} per value at noise σ={at:g}, {input_mse:.4f} without the model"


def _curves(axes: Axes, rows: list[dict[str, float]], start: float | None) -> None:
    sigma, output, given = (np.array([row[name] for row in rows]) for name in ("sigma", "reconstruction", "input"))
    axes.plot(sigma, given, "s--", color=ORANGE, label="noisy images")
    axes.plot(sigma, output, "o-", color=BLUE, label="their reconstructions")
    if start is not None and start > 0:
        axes.axvline(start, color=GREY, lw=1, ls=":", label=f"reconstructions have a smaller error from σ={start:.2f}")
    axes.set(xlabel="noise σ (1 = the range of values)", ylabel="squared error\n(per value)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
