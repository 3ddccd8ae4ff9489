"""A Lightning data module that splits the examples of a source, holds them in memory and makes batches of them."""

import hashlib
from collections.abc import Iterator, Sequence
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

from vae_lab.data.batches import Batches, EpochOrder, Groups
from vae_lab.data.corruption import Binarize, Corruption, binarize_once, drawn_binary
from vae_lab.data.kept_classes import belongs, kept_classes, told
from vae_lab.data.source import Source
from vae_lab.data.targets import refuse_wrong_targets
from vae_lab.errors import UserError
from vae_lab.examples import Examples, Factors, Values
from vae_lab.types import Batch, Group, Noise, Shape


class Dataset(pl.LightningDataModule):
    """Train, validation and test examples of one dataset: images, sequences of tokens or real vectors.

    The validation set is the one that the source gives. If it gives none, it is a fraction of the training examples,
    chosen by a fixed shuffle that no option changes. Test examples are used only when a trained model is scored.

    Args:
        name: the dataset's name in results.
        source: reads the examples.
        root: the folder that holds datasets.
        batch_size: examples per batch and process.
        seed: determines the order of the training examples and their noise.
        val_share: fraction of the training examples that is held out for validation if the source gives no
            validation set.
        limit: number of training examples to use; None: all. The validation and test sets stay complete.
        keep: the class to train and validate on, by its name or number, or several; None: all. The test set has all
            classes, so that the others are anomalies there.
        binarize: 'dynamic' or 'static' draws the pixels of images black or white; see
            :class:`~vae_lab.data.corruption.Corruption`.
        noise_std: σ of the noise on training images, for pixels in [0, 1].
        noise_share: fraction of the training images that are noisy.

    Raises:
        UserError: the examples are missing, damaged or too few for a batch, their labels are not labels of their
            classes, or an option does not suit them.
    """

    name: str  # type: ignore[assignment]  # Lightning declares str | None; here it is never None

    def __init__(
        self,
        name: str,
        source: Source,
        root: Path,
        batch_size: PositiveInt,
        seed: int,
        val_share: Annotated[float, Ge(0.001), Lt(1)] = 0.1,
        limit: PositiveInt | None = None,
        keep: int | str | Sequence[int | str] | None = None,
        binarize: Binarize | None = None,
        noise_std: NonNegativeFloat = 0.0,
        noise_share: Annotated[float, Ge(0), Le(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.name, self.batch_size, self.seed, self.binarize = name, batch_size, seed, binarize
        self.root = Path(root)
        self.device = torch.device("cpu")
        self.pool, self.test = source.load(root)
        for split, part in (("training", self.pool), ("test", self.test)):
            refuse_wrong_targets(name, split, part)
        self._refuse_image_options(binarize, noise_std, noise_share)
        self.kept = () if keep is None else kept_classes(keep, self.pool, name)
        self.normal = self.kept or self.test.normal
        self.train, self.val = self._split(val_share, limit)
        # The examples as a model receives them, which differ from self.train etc. if they are binarised once.
        self._received = {"train": self.train, "val": self.val, "test": self.test}
        if binarize == "static":
            self._received = self._binarized(self._received)
        self._corrupt = partial(Corruption, len(self.train), binarize=binarize, noise_std=noise_std,
                                noise_share=noise_share)  # fmt: skip
        self.corruption = self._corrupt(seed=seed)

    def __repr__(self) -> str:
        """The name, the sizes of the splits and the shape of an example, in one line."""
        sizes = ", ".join(f"{len(getattr(self, split)):,} {split}" for split in ("train", "val", "test"))
        return f"Dataset({self.name}: {sizes}; {self.values.describe(self.x_shape)})"

    def __str__(self) -> str:
        """As :func:`repr`; Lightning's own text has no sizes."""
        return repr(self)

    def _refuse_image_options(self, binarize: Binarize | None, noise_std: float, noise_share: float) -> None:
        if (noise_std > 0) != (noise_share > 0):
            raise UserError(
                f"dataset.noise_std={noise_std:g} with dataset.noise_share={noise_share:g} adds no noise; "
                "type both, e.g. dataset.noise_std=0.4 dataset.noise_share=0.5"
            )
        if self.values.kind != "images" and (binarize or noise_std > 0):
            key = f"dataset.binarize={binarize}" if binarize else f"dataset.noise_std={noise_std:g}"
            raise UserError(f"{key} is for images, and {self.name} holds {self.values.kind}; leave it out")

    def _split(self, val_share: float, limit: int | None) -> tuple[Examples, Examples]:
        """Return the training and the validation examples."""
        order = torch.randperm(len(self.pool), generator=torch.Generator().manual_seed(0))
        if self.kept:
            assert self.pool.labels is not None
            order = order[belongs(self.pool.labels, self.kept)[order]]
        given = self.pool.given_validation
        if given is None:
            given = torch.zeros(len(self.pool), dtype=torch.bool)
            given[order[: max(1, round(val_share * len(order)))]] = True
        val = self.pool.part(order[given[order]].sort().values)
        train = self.pool.part(order[~given[order]][:limit].sort().values)
        many = self.values.many
        if len(train) == 0 or len(val) == 0 or len(self.test) == 0:
            raise UserError(
                f"{self.name} has {len(self.pool)} training and {len(self.test)} test {many}; at least 2 for training "
                "are needed, of which one is for validation, and one for testing"
            )
        if self.batch_size > len(train):
            raise UserError(
                f"batch_size={self.batch_size} is more than the {len(train)} training {many} of {self.name}; "
                f"type batch_size={max(1, len(train) // 10)}"
            )
        return train, val

    def _binarized(self, parts: dict[str, Examples]) -> dict[str, Examples]:
        """Return the parts with every pixel drawn black or white once."""
        if not isinstance(self.pool.stored, Tensor):
            raise UserError(
                f"dataset.binarize=static: the images of {self.name} are black and white already; leave it out"
            )
        # Training and validation examples share the memory of the pool, so that it is drawn only once.
        stored = [part.stored for part in (self.pool, self.test)]
        drawn = {id(images): binarize_once(images) for images in stored if isinstance(images, Tensor)}
        return {split: replace(part, stored=drawn[id(part.stored)]) for split, part in parts.items()}

    def reseeded(self, seed: int) -> "Dataset":
        """Return a copy that shares the examples' memory and has the order and the noise of another seed."""
        other = copy(self)
        other.seed, other.corruption = seed, self._corrupt(seed=seed)
        return other

    @property
    def values(self) -> Values:
        """The meaning of the numbers of an example."""
        return self.pool.values

    @property
    def x_shape(self) -> Shape:
        """The shape of one example: C, H, W of an image."""
        return self.pool.x_shape

    @property
    def y_size(self) -> int:
        """Number of classes or attributes; 0 if there are none."""
        return len(self.train.attributes or self.train.classes)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels, which some sources give for the test examples alone; empty if there are none."""
        return self.train.classes or self.test.classes

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes; empty if there are none."""
        return self.train.attributes

    @property
    def factors(self) -> Factors | None:
        """The known factors of variation, or None if the examples were not made from any."""
        return self.pool.factors

    @property
    def notes(self) -> list[str]:
        """Sentences for the user about how the source was read."""
        kept = [told(self.kept, self.classes, len(self.train))] if self.kept else []
        return [*dict.fromkeys([*self.pool.notes, *self.test.notes]), *kept]

    def train_dataloader(self) -> Groups:
        """Return this process's training batches, in groups, in a different order in each epoch."""
        return Groups(self.loader("train", shuffle=True))

    def val_dataloader(self) -> Batches:
        """Return this process's validation batches, in a fixed random order."""
        return self.loader("val", shuffle=False)

    def transfer_batch_to_device(
        self, batch: Batch | Group, device: torch.device, dataloader_idx: int
    ) -> Batch | Group:
        """Return the batch unchanged: batches are made on the device, and Lightning would copy them."""
        return batch

    def loader(self, split: str, shuffle: bool, on_device: Examples | None = None) -> Batches:
        """Return the batches of a split for this process of the trainer.

        Args:
            split: 'train', 'val' or 'test'.
            shuffle: True in training.
            on_device: the examples of the split if they were already copied to the device.
        """
        examples = on_device or self._received[split]
        strategy = self.trainer.strategy  # type: ignore[union-attr]
        rank, world = self.trainer.global_rank, self.trainer.world_size  # type: ignore[union-attr]
        size = self.batch_size if shuffle else max(self.batch_size, 512)
        order = EpochOrder(len(examples), size, self.seed, shuffle, rank, world, mixed=True)
        return Batches(examples, order, self.corruption, strategy.root_device)

    def batches(self, split: str, n: int | None = None, size: int = 1000, mixed: bool = False) -> Iterator[Batch]:
        """Yield n examples of a split, chosen by a fixed draw, as the model receives them when it is scored.

        They come in the stored order, or in a fixed random order if ``mixed``.
        """
        part = self._received[split]
        part = part.part(_drawn(len(part), n))
        order = EpochOrder(len(part), size, 0, shuffle=False, mixed=mixed)
        yield from Batches(part, order, self.corruption, self.device)

    def epoch(self, number: int, size: int) -> Iterator[Batch]:
        """Yield the training examples in the order of an epoch, drawn black or white anew, without added noise."""
        part = self._received["train"]
        order = EpochOrder(len(part), size, self.seed, shuffle=True)
        order.set_epoch(number)
        unnoised = Corruption(len(part), self.seed, self.binarize, noise_std=0.0, noise_share=0.0)
        yield from Batches(part, order, unnoised, self.device)

    def clean(self, split: str, n: int | None = None, size: int = 1000) -> Iterator[Tensor]:
        """Yield n unchanged examples of a split or of the 'pool', [size, *x_shape] at a time.

        The examples are chosen by the same fixed draw as in :meth:`batches`; images are in [0, 1].
        """
        part: Examples = getattr(self, split)
        for index in _drawn(len(part), n).split(size):
            yield self.values.ready(part.at(index)[0], self.device)

    def as_received(self, clean: Tensor, noise: Noise) -> Tensor:
        """Return other images in [0, 1] as the model would receive them: binarised if the images of the dataset are."""
        return drawn_binary(clean, noise) if self.binarize else clean

    def fingerprint(self, split: str, n: int | None = None) -> str:
        """Return a hash of the stored values that :meth:`clean` would read: 16 hexadecimal digits."""
        part: Examples = getattr(self, split)
        digest = hashlib.sha256(str(self.x_shape).encode())
        for index in _drawn(len(part), n).split(1000):
            digest.update(part.at(index)[0].numpy().tobytes())
        return digest.hexdigest()[:16]


def _drawn(total: int, n: int | None) -> Tensor:
    """Return n of ``total`` positions in ascending order, by a fixed draw; all positions if n is None or too large.

    The positions are random rather than evenly spaced: the order of MNIST's training images has a period, which a
    constant step would meet.
    """
    if n is None or n >= total:
        return torch.arange(total)
    return torch.randperm(total, generator=torch.Generator().manual_seed(1))[:n].sort().values
