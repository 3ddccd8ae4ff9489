"""Makes batches of examples held in memory: selected by index, scaled on the device, without worker processes."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor

from vae_lab.data.corruption import Corruption
from vae_lab.examples import Examples
from vae_lab.noise import SeededNoise, generator
from vae_lab.types import Batch, Group

_SHARE_OF_GPU = 0.25  # of a GPU's memory, up to which all examples are copied to it at once


class EpochOrder:
    """The order of the examples in an epoch, split among processes and into batches.

    The order depends only on the seed and the epoch. Lightning calls ``set_epoch`` before each epoch, as it does for
    the ``sampler`` of any loader.

    Args:
        n: number of examples.
        batch_size: examples per batch and process.
        seed: determines the order, together with the epoch.
        shuffle: True in training; otherwise the order is the same in all epochs.
        rank: index of this process.
        world: number of processes.
        mixed: whether that order is a random one and not the stored one. Neighbours in a dataset are often alike (of
            one writer in MNIST's test set, of one class in a folder), and terms of a batch, such as a covariance, need
            batches that represent the dataset.
    """

    def __init__(
        self, n: int, batch_size: int, seed: int, shuffle: bool, rank: int = 0, world: int = 1, mixed: bool = False
    ) -> None:
        self.n, self.batch_size, self.seed, self.shuffle = n, batch_size, seed, shuffle
        self.rank, self.world, self.mixed = rank, world, mixed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order is used next."""
        self.epoch = epoch

    @property
    def share(self) -> int:
        """The number of examples of this process.

        In training it is equal for all processes; otherwise they would wait for each other forever.
        """
        return self.n // self.world if self.shuffle else len(range(self.rank, self.n, self.world))

    def places(self) -> Tensor:
        """Return the indices of this process's examples, in the epoch's order: long [share]."""
        if self.shuffle:
            order = torch.randperm(self.n, generator=generator("cpu", self.seed, "order", self.epoch))
        elif self.mixed:
            order = torch.randperm(self.n, generator=generator("cpu", "mixed order"))
        else:
            order = torch.arange(self.n)
        return order[self.rank :: self.world][: self.share]

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the indices of one batch after the other, each long [≤ batch_size]."""
        yield from self.places().split(self.batch_size)

    def __len__(self) -> int:
        return -(-self.share // self.batch_size)


class Batches:
    """An iterable over the batches of an epoch, each made on demand."""

    def __init__(self, examples: Examples, order: EpochOrder, corruption: Corruption, device: torch.device) -> None:
        if device.type == "cuda":  # examples stay on a GPU that has room for them; otherwise each batch is copied to it
            room = _SHARE_OF_GPU * torch.cuda.get_device_properties(device).total_memory
            examples = _moved(examples, device) if examples.stored.nbytes < room else examples
        self.examples = examples
        # Lightning reads the attributes sampler and batch_sampler.
        self.sampler = order
        self.batch_sampler = None
        self.corruption = corruption
        self.device = device

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        order, size = self.sampler, self.sampler.batch_size
        places = order.places().to(self.examples.stored.device)
        # Indices and labels are gathered once per epoch, so that each batch has to gather only its examples.
        epoch = self.examples.part(places)
        labels = None if epoch.y is None else epoch.y.to(self.device).split(size)
        assert epoch.chosen is not None
        for i, (where, index) in enumerate(zip(epoch.chosen.split(size), places.to(self.device).split(size))):
            noise = SeededNoise(self.device, order.seed, "data", order.epoch if order.shuffle else 0, i, order.rank)
            clean = self.examples.values.ready(epoch.stored_at(where), self.device)
            x, target = self.corruption(clean, index, noise, training=order.shuffle)
            yield Batch(x, target, None if labels is None else labels[i])


class _Order(Protocol):
    """An order of examples, as Lightning's ``sampler``: of one seed, or of several seeds in a stack."""

    batch_size: int

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order is used next."""


class _Batches(Protocol):
    """Batches of one seed (:class:`Batches`), or of several seeds in a stack."""

    @property
    def examples(self) -> Examples:
        """The examples that the batches are made of."""

    @property
    def sampler(self) -> _Order:
        """The order of the examples."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


class Groups:
    """The given batches in groups of several consecutive ones.

    Lightning's work around a training step (hooks, bookkeeping) takes as long as a third of a small network's step.
    With groups it is done once per group instead of once per batch. Large examples make small groups, so that progress
    is shown often.

    Args:
        batches: the batches of an epoch.
        values: the largest number of values in the examples of a group.
        most: the largest number of batches in a group.
    """

    def __init__(self, batches: _Batches, values: int = 2_000_000, most: int = 16) -> None:
        self.batches = batches
        self.sampler, self.batch_sampler = batches.sampler, None
        per_batch = batches.sampler.batch_size * math.prod(batches.examples.stored.shape[1:])
        self.size = max(1, min(most, values // per_batch))

    def __len__(self) -> int:
        return -(-len(self.batches) // self.size)

    def __iter__(self) -> Iterator[Group]:
        batches, total = iter(self.batches), len(self.batches)
        for first in range(0, total, self.size):
            yield Group(islice(batches, self.size), first, total)


def _moved(examples: Examples, device: torch.device) -> Examples:
    targets, chosen = (None if part is None else part.to(device) for part in (examples.targets, examples.chosen))
    return replace(examples, stored=examples.stored.to(device), targets=targets, chosen=chosen)
