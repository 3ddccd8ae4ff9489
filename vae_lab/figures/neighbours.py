"""Samples beside the training images that are nearest to them in pixels and in codes, to see copies and relations."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import MinLen
from matplotlib.figure import Figure
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.figures.image_grids import caption, centres, image_grid, label_row, pick, show
from vae_lab.figures.moving_codes import codes_of
from vae_lab.figures.style import new_figure, significant
from vae_lab.latents.aggregate import Aggregate
from vae_lab.latents.codes import encode
from vae_lab.scores import Generated

Space = Literal["pixels", "codes"]


@dataclass
class _Found:
    """The nearest training images of n samples."""

    images: Tensor  # [n, k, C, H, W], the nearest first
    distances: Tensor  # [n, k]
    searched: int  # training images
    unit: str


class Neighbours:
    """The first samples, and below each its nearest training images, with their distances.

    In pixels, the distance is the Euclidean one of values in [0, 1]. In codes, it is the Euclidean one of the top
    level's posterior means, in which each active dimension is divided by its standard deviation over the training
    images, and inactive dimensions are left out. Given images, which no model has made, have no codes. The codes of a
    conditional model tell what the label does not, so that neighbours in codes may have other labels.

    Args:
        columns: number of samples.
        nearest: number of training images below each sample, in each space.
        spaces: where to look for neighbours: 'pixels', 'codes' or both.
        train_images: largest number of training images to search in pixels.
        encoded_images: largest number of training images to search in codes.
    """

    of_images = True
    needs = ("images",)
    requires = "a model with active dimensions, where spaces=[codes]"

    def __init__(
        self,
        columns: PositiveInt = 12,
        nearest: PositiveInt = 3,
        spaces: Annotated[list[Space], MinLen(1)] = ["pixels", "codes"],  # noqa: B006
        train_images: PositiveInt = 100_000,
        encoded_images: PositiveInt = 10_000,
    ) -> None:
        self.columns, self.nearest, self.spaces = columns, nearest, list(dict.fromkeys(spaces))
        self.train_images, self.encoded_images = train_images, encoded_images

    def __call__(self, generated: Generated) -> Figure | None:
        """Draw the figure; None if there is no space to look for neighbours in."""
        n = min(self.columns, generated.available or self.columns)
        samples = torch.cat(list(generated.sample(n)))
        spaces = {"pixels": self._in_pixels, "codes": self._in_codes}
        found = {space: spaces[space](generated, samples) for space in self.spaces}
        shown = {space: part for space, part in found.items() if part is not None}
        if not shown:
            return None
        height, width = generated.data.x_shape[1:]
        blocks: list[tuple[str, Tensor, Tensor | None]] = [("sample", samples, None)]
        for space, part in shown.items():
            for rank in range(part.images.shape[1]):
                name = f"nearest in\n{space}" if rank == 0 else f"{rank + 1}."
                blocks.append((name, part.images[:, rank], part.distances[:, rank]))
        high = 0.6 * len(blocks) * height / width
        among = " and ".join(f"in {space} ({part.unit}) among {part.searched:,}" for space, part in shown.items())
        title = f"Samples and their nearest training images, with distances {among} images"
        figure = new_figure(
            0.6 * n + 1.2, high + 0.17 * len(blocks), title, f"{generated.title}; {generated.sampler}", pictures=high
        )
        for axes, (name, images, distances) in zip(figure.subplots(len(blocks), 1, squeeze=False)[:, 0], blocks):
            show(axes, image_grid(images, n))
            label_row(axes, name, height / 2 + 1)
            if distances is not None:
                texts = [significant(distance) for distance in distances.tolist()]
                caption(axes, texts, centres(n, width), height + 1.5)
        return figure

    def _in_pixels(self, generated: Generated, samples: Tensor) -> _Found:
        split, data = generated.learnt_from, generated.data
        searched = min(self.train_images, len(getattr(data, split)))
        images, distances = nearest_in_pixels(samples, data.clean(split, searched), min(self.nearest, searched))
        return _Found(images.to(samples), distances, searched, "Euclidean")

    def _in_codes(self, generated: Generated, samples: Tensor) -> _Found | None:
        trained = generated.trained
        if trained is None:
            return None
        searched = min(self.encoded_images, len(trained.data.train))
        known = codes_of(trained, "train", searched)
        aggregate = Aggregate.of(known)
        if not aggregate.active.any():
            return None
        seen = trained.data.as_received(samples, trained.noise("neighbours"))
        own = encode(trained.model, seen, trained.y_of_samples(len(samples)), trained.noise).mean
        all_distances = torch.cdist(aggregate.normalised(own), aggregate.normalised(known.mean))
        distances, places = all_distances.topk(min(self.nearest, searched), largest=False)
        images = pick(trained.data.clean("train", searched), places.flatten().tolist())
        unit = "standard deviations" + (" of codes, which hold no label" if trained.model.conditional else "")
        return _Found(images.unflatten(0, places.shape).to(samples), distances, searched, unit)


def nearest_in_pixels(samples: Tensor, blocks: Iterable[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """Return the k images that are nearest to each sample, the nearest first, [n, k, C, H, W], and distances [n, k].

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
    return images, best
