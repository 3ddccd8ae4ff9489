"""The Lightning data module: a source, split, held as bytes, fed as batches."""

import hashlib
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import pytorch_lightning as pl
import torch
from annotated_types import Ge, Le, Lt
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from vae_lab.data.batches import Batches, EpochOrder, Groups, scaled
from vae_lab.data.corruption import Binarize, Corruption, binarize_once, drawn_binary
from vae_lab.data.source import Source
from vae_lab.errors import UserError
from vae_lab.types import Batch, Factors, Group, Images, Noise, Shape


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
        self.root = Path(root)
        self.pool, self.test = source.load(root)
        order = torch.randperm(len(self.pool), generator=torch.Generator().manual_seed(0))
        held_out = max(1, round(val_share * len(self.pool)))
        self.val = self.pool.part(order[:held_out].sort().values)
        self.train = self.pool.part(order[held_out:][:limit].sort().values)
        if len(self.train) == 0:
            raise UserError(f"{name} has {len(self.pool)} training images; at least 2 are needed, one for validation")
        if batch_size > len(self.train):
            raise UserError(
                f"batch_size={batch_size} is more than the {len(self.train)} training images of {name}; "
                f"type batch_size={max(1, len(self.train) // 10)}"
            )
        self._shown = {"train": self.train, "val": self.val, "test": self.test}
        if (noise_std > 0) != (noise_share > 0):
            raise UserError(
                f"dataset.noise_std={noise_std:g} with dataset.noise_share={noise_share:g} adds no noise; "
                "type both, e.g. dataset.noise_std=0.4 dataset.noise_share=0.5"
            )
        if binarize == "static":
            if not isinstance(self.pool.pixels, Tensor):
                raise UserError(
                    f"dataset.binarize=static: the images of {name} are black and white already; leave it out"
                )
            drawn = {id(whole.pixels): binarize_once(whole.pixels) for whole in (self.pool, self.test)}
            self._shown = {name: replace(part, pixels=drawn[id(part.pixels)]) for name, part in self._shown.items()}
        self._corrupt = partial(Corruption, len(self.train), binarize=binarize, noise_std=noise_std,
                                noise_share=noise_share)  # fmt: skip
        self.corruption = self._corrupt(seed=seed)
        self.device = torch.device("cpu")

    def reseeded(self, seed: int) -> "ImageData":
        """The same images, whose bytes are shared, in the order and with the noise of another seed."""
        other = copy(self)
        other.seed, other.corruption = seed, self._corrupt(seed=seed)
        return other

    @property
    def x_shape(self) -> Shape:
        """C, H, W."""
        return tuple(self.train.pixels.shape[1:])

    @property
    def y_size(self) -> int:
        """How many numbers tell what is known of an image: classes, or attributes; 0 where there are none."""
        return len(self.train.attributes or self.train.classes)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels; empty where there are none."""
        return self.train.classes

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes; empty where there are none."""
        return self.train.attributes

    @property
    def factors(self) -> Factors | None:
        """The known factors of variation, where the images were made from them."""
        return self.pool.factors

    def train_dataloader(self) -> Groups:
        """Training images in a new order each epoch, this process's share of them, several batches at a time."""
        return Groups(self.loader("train", shuffle=True))

    def val_dataloader(self) -> Batches:
        """Batches of validation images in their order, this process's share of them."""
        return self.loader("val", shuffle=False)

    def transfer_batch_to_device(
        self, batch: Batch | Group, device: torch.device, dataloader_idx: int
    ) -> Batch | Group:
        """Batches are made on the device; Lightning would copy them."""
        return batch

    def loader(self, split: str, shuffle: bool, moved: Images | None = None) -> Batches:
        """Batches for the trainer's process; ``moved`` is the split where it was brought to the device before."""
        images = moved or self._shown[split]
        strategy = self.trainer.strategy  # type: ignore[union-attr]
        rank, world = self.trainer.global_rank, self.trainer.world_size  # type: ignore[union-attr]
        size = self.batch_size if shuffle else max(self.batch_size, 512)
        order = EpochOrder(len(images), size, self.seed, shuffle, rank, world)
        return Batches(images, order, self.corruption, strategy.root_device)

    def batches(self, split: str, n: int | None = None, size: int = 1000) -> Iterator[Batch]:
        """n images of a split by a fixed draw, in order, as the model meets them when it is scored."""
        part = self._shown[split]
        part = part.part(_drawn(len(part), n))
        yield from Batches(part, EpochOrder(len(part), size, 0, shuffle=False), self.corruption, self.device)

    def images(self, split: str, n: int | None = None, size: int = 1000) -> Iterator[Tensor]:
        """n clean images in [0, 1] of a split or the 'pool' by a fixed draw, [size, C, H, W] at a time."""
        part: Images = getattr(self, split)
        for index in _drawn(len(part), n).split(size):
            yield scaled(part.at(index)[0], self.device)

    def shown(self, clean: Tensor, noise: Noise) -> Tensor:
        """Images in [0, 1] from elsewhere as the model would meet them: drawn black and white where its own are."""
        return drawn_binary(clean, noise) if self.binarize else clean

    def fingerprint(self, split: str, n: int | None = None) -> str:
        """Hash of the bytes that :meth:`images` would give: 16 hexadecimal digits."""
        part: Images = getattr(self, split)
        digest = hashlib.sha256(str(self.x_shape).encode())
        for index in _drawn(len(part), n).split(1000):
            digest.update(part.at(index)[0].numpy().tobytes())
        return digest.hexdigest()[:16]


def _drawn(total: int, n: int | None) -> Tensor:
    """n places in order, drawn once and for all; every place where n is None or more.

    Not every so-many-th image: the order of MNIST's training images has a period, and a stride meets it.
    """
    if n is None or n >= total:
        return torch.arange(total)
    return torch.randperm(total, generator=torch.Generator().manual_seed(1))[:n].sort().values
