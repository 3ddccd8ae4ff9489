"""Cuts batches out of images held in memory: by index, scaled to [0, 1] on the device, no worker processes."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from vae_lab.data.corruption import Corruption
from vae_lab.examples import Examples
from vae_lab.noise import SeededNoise, generator
from vae_lab.types import Batch, Group


class EpochOrder:
    """The order of the images in an epoch, a function of (seed, epoch), cut into batches and shared among ranks.

    Lightning calls ``set_epoch`` before each epoch, as on any loader's ``sampler``.
    """

    def __init__(self, n: int, batch_size: int, seed: int, shuffle: bool, rank: int = 0, world: int = 1) -> None:
        self.n, self.batch_size, self.seed, self.shuffle = n, batch_size, seed, shuffle
        self.rank, self.world = rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    @property
    def share(self) -> int:
        """Images per rank: equal for all while training, else the ranks would wait for each other for ever."""
        return self.n // self.world if self.shuffle else len(range(self.rank, self.n, self.world))

    def places(self) -> Tensor:
        """This rank's images, in the epoch's order: long [share]."""
        if self.shuffle:
            order = torch.randperm(self.n, generator=generator("cpu", self.seed, "order", self.epoch))
        else:
            order = torch.arange(self.n)
        return order[self.rank :: self.world][: self.share]

    def __iter__(self) -> Iterator[Tensor]:
        """Index tensors of at most ``batch_size``."""
        yield from self.places().split(self.batch_size)

    def __len__(self) -> int:
        return -(-self.share // self.batch_size)


class Batches:
    """An iterable of :class:`Batch`, made anew in each epoch."""

    def __init__(self, images: Examples, order: EpochOrder, corruption: Corruption, device: torch.device) -> None:
        # On a GPU the bytes live there for good, if they take a small part of it; else batches travel.
        if device.type == "cuda":
            room = 0.25 * torch.cuda.get_device_properties(device).total_memory
            images = _moved(images, device) if images.stored.nbytes < room else images
        self.images = images
        self.sampler = order  # the two names that Lightning looks for
        self.batch_sampler = None
        self.corruption = corruption
        self.device = device

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        order, size = self.sampler, self.sampler.batch_size
        places = order.places().to(self.images.stored.device)
        epoch = self.images.part(places)  # places and labels are looked up once, and cut: a batch copies images alone
        labels = None if epoch.y is None else epoch.y.to(self.device).split(size)
        assert epoch.chosen is not None
        for i, (where, index) in enumerate(zip(epoch.chosen.split(size), places.to(self.device).split(size))):
            noise = SeededNoise(self.device, order.seed, "data", order.epoch if order.shuffle else 0, i, order.rank)
            clean = self.images.values.ready(epoch.stored_at(where), self.device)
            x, target = self.corruption(clean, index, noise, training=order.shuffle)
            yield Batch(x, target, None if labels is None else labels[i])


class Groups:
    """The same batches, several at a time.

    What Lightning does around a training step (hooks, bookkeeping) takes as long as a third of a small network's step;
    this way it is paid once per group. Large images make small groups, so that progress is shown often.
    """

    def __init__(self, batches: Any, values: int = 2_000_000, most: int = 16) -> None:
        self.batches = batches  # Batches, or several side by side
        self.sampler, self.batch_sampler = batches.sampler, None
        per_batch = batches.sampler.batch_size * math.prod(batches.images.stored.shape[1:])
        self.size = max(1, min(most, values // per_batch))

    def __len__(self) -> int:
        return -(-len(self.batches) // self.size)

    def __iter__(self) -> Iterator[Group]:
        batches, total = iter(self.batches), len(self.batches)
        for first in range(0, total, self.size):
            yield Group(islice(batches, self.size), first, total)


def _moved(images: Examples, device: torch.device) -> Examples:
    targets, chosen = (None if part is None else part.to(device) for part in (images.targets, images.chosen))
    return replace(images, stored=images.stored.to(device), targets=targets, chosen=chosen)
