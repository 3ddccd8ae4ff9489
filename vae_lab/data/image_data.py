"""The Lightning data module: a source, split, held as bytes, fed as batches."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytorch_lightning as pl
import torch
from annotated_types import Ge, Le, Lt
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from vae_lab.data.batches import Batches, EpochOrder, scaled
from vae_lab.data.corruption import Binarize, Corruption, binarize_once
from vae_lab.data.source import Source
from vae_lab.errors import UserError
from vae_lab.types import Batch, Images, Shape


class ImageData(pl.LightningDataModule):
    """Train, validation and test images of one dataset.

    Validation is a share of the training images, taken by a fixed shuffle that no option changes; test images are
    touched only when a trained model is scored.

    Args:
        name: what the dataset is called in results.
        source: reads the images.
        root: the folder that datasets lie in.
        batch_size: images per batch and process.
        seed: of the order of training images and of their noise.
        val_share: share of the training images that is held out for validation.
        limit: use only so many training images (validation and test stay whole).
        binarize: 'dynamic' or 'static' draws black and white pixels from the grey levels.
        noise_std: σ of the noise on training images, in units of the [0, 1] range.
        noise_share: share of the training images that get it.

    Raises:
        UserError: the images cannot be had, or the batch is larger than the training set.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        root: Path,
        batch_size: PositiveInt,
        seed: int,
        val_share: Annotated[float, Ge(0.001), Lt(1)] = 0.1,
        limit: PositiveInt | None = None,
        binarize: Binarize | None = None,
        noise_std: NonNegativeFloat = 0.0,
        noise_share: Annotated[float, Ge(0), Le(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.name, self.batch_size, self.seed, self.binarize = name, batch_size, seed, binarize
        pool, self.test = source.load(root)
        order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(0))
        held_out = max(1, round(val_share * len(pool)))
        self.val = _take(pool, order[:held_out].sort().values)
        self.train = _take(pool, order[held_out:][:limit].sort().values)
        if batch_size > len(self.train):
            raise UserError(
                f"batch_size={batch_size} is more than the {len(self.train)} training images of {name}; "
                f"type batch_size={max(1, len(self.train) // 10)}"
            )
        self._shown = {"train": self.train, "val": self.val, "test": self.test}
        if binarize == "static":
            self._shown = {name: replace(part, images=binarize_once(part.images)) for name, part in self._shown.items()}
        self.corruption = Corruption(len(self.train), seed, binarize, noise_std, noise_share)
        self.device = torch.device("cpu")

    @property
    def x_shape(self) -> Shape:
        """C, H, W."""
        return tuple(self.train.images.shape[1:])

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels; empty where there are none."""
        return self.train.classes

    def train_dataloader(self) -> Batches:
        """Batches of training images, in a new order each epoch, this process's share of them."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> Batches:
        """Batches of validation images in their order, this process's share of them."""
        return self._loader("val", shuffle=False)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Batches are made on the device; Lightning would copy them."""
        return batch

    def _loader(self, split: str, shuffle: bool) -> Batches:
        images = self._shown[split]
        strategy = self.trainer.strategy  # type: ignore[union-attr]
        rank, world = self.trainer.global_rank, self.trainer.world_size  # type: ignore[union-attr]
        size = self.batch_size if shuffle else max(self.batch_size, 512)
        order = EpochOrder(len(images), size, self.seed, shuffle, rank, world)
        return Batches(images, order, self.corruption, strategy.root_device)

    def batches(self, split: str, n: int | None = None, size: int = 1000) -> Iterator[Batch]:
        """The first n images of a split in a fixed order, as the model meets them when it is scored."""
        part = _take(self._shown[split], slice(n))
        yield from Batches(part, EpochOrder(len(part), size, 0, shuffle=False), self.corruption, self.device)

    def images(self, split: str, n: int | None = None, size: int = 1000) -> Iterator[Tensor]:
        """Clean images in [0, 1], [size, C, H, W] at a time; of 'train' an even spread."""
        pixels = getattr(self, split).images
        chosen = torch.linspace(0, len(pixels) - 1, min(n or len(pixels), len(pixels))).round().long()
        for index in chosen.split(size):
            yield scaled(pixels[index], self.device)


def _take(images: Images, index: Tensor | slice) -> Images:
    labels = None if images.labels is None else images.labels[index]
    return Images(images.images[index], labels, images.classes)
