"""Samples beside the training images that are nearest to them in pixels, to see copies."""

from collections.abc import Iterable

import torch
from matplotlib.figure import Figure
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.figures.image_grids import image_grid, label_row, show
from vae_lab.figures.style import new_figure
from vae_lab.scores import Generated


class Neighbours:
    """The first samples, and below each its nearest training images by the Euclidean distance of pixels.

    Args:
        columns: number of samples.
        nearest: number of training images below each sample.
        train_images: largest number of training images to search.
    """

    of_images = True
    needs = ("images",)

    def __init__(
        self, columns: PositiveInt = 12, nearest: PositiveInt = 3, train_images: PositiveInt = 100_000
    ) -> None:
        self.columns, self.nearest, self.train_images = columns, nearest, train_images

    def __call__(self, generated: Generated) -> Figure:
        """Draw the figure."""
        split, data = generated.learnt_from, generated.data
        n = min(self.columns, generated.available or self.columns)
        searched = min(self.train_images, len(getattr(data, split)))
        samples = torch.cat(list(generated.sample(n)))
        found = nearest_in_pixels(samples, data.clean(split, searched), min(self.nearest, searched))
        rows = [samples, *found.to(samples).unbind(1)]
        height, width = data.x_shape[1:]
        high = 0.6 * len(rows) * height / width
        title = f"Samples and their nearest neighbours in pixels among {searched:,} training images"
        subtitle = f"{generated.title}; {generated.sampler}"
        figure = new_figure(0.6 * n + 1, high + 0.2, title, subtitle, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(torch.cat(rows), n))
        for row, name in enumerate(["sample", "nearest", *(f"{rank}." for rank in range(2, len(rows)))]):
            label_row(axes, name, (row + 0.5) * (height + 1))
        return figure


def nearest_in_pixels(samples: Tensor, blocks: Iterable[Tensor], k: int) -> Tensor:
    """Return the k images that are nearest to each sample, the nearest first: [n, k, C, H, W].

    Args:
        samples: images [n, C, H, W].
        blocks: the images to search, [m, C, H, W] at a time.
        k: the number of neighbours.
    """
    best, images = samples.new_full((len(samples), 0), 0.0), samples[:, None][:, :0]
    for block in blocks:
        distances = torch.cat([best, torch.cdist(samples.flatten(1), block.flatten(1))], 1)
        best, places = distances.topk(min(k, distances.shape[1]), largest=False)
        kept = images.shape[1]
        old = images[torch.arange(len(samples))[:, None], places.clamp(max=max(kept - 1, 0))] if kept else None
        new = block[(places - kept).clamp(min=0)]
        images = new if old is None else torch.where((places < kept)[..., None, None, None], old, new)
    return images
