"""The batches of a stack: one slice per seed, with its order and noise; a single slice if the seeds do not differ."""

from collections.abc import Iterator, Sequence

import pytorch_lightning as pl
import torch

from vae_lab.data.batches import Batches, EpochOrder, Groups
from vae_lab.data.dataset import Dataset
from vae_lab.stack.stacked_job import StackBatch
from vae_lab.types import Batch


class Orders:
    """The epoch orders of several seeds, as the one ``sampler`` of which Lightning calls ``set_epoch``."""

    def __init__(self, orders: Sequence[EpochOrder]) -> None:
        self.orders = orders
        self.batch_size = orders[0].batch_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose orders come next."""
        for order in self.orders:
            order.set_epoch(epoch)


class StackBatches:
    """An iterable of :class:`StackBatch`: the batches of several seeds, one slice per seed."""

    def __init__(self, parts: Sequence[Batches]) -> None:
        self.parts = parts
        self.examples = parts[0].examples
        self.sampler, self.batch_sampler = Orders([part.sampler for part in parts]), None

    def __len__(self) -> int:
        return len(self.parts[0])

    def __iter__(self) -> Iterator[StackBatch]:
        for batches in zip(*self.parts):
            yield _stacked(batches)


def _stacked(batches: Sequence[Batch]) -> StackBatch:
    first = batches[0]
    if len(batches) == 1:
        return StackBatch(first.x, first.target, first.y, per_job=False)
    x = torch.stack([batch.x for batch in batches])
    target = x if first.target is first.x else torch.stack([batch.target for batch in batches])
    y = None if first.y is None else torch.stack([batch.y for batch in batches if batch.y is not None])
    return StackBatch(x, target, y, per_job=True)


class StackData(pl.LightningDataModule):
    """One dataset under several seeds, which share its bytes in memory.

    Args:
        datas: the dataset under each different seed.
    """

    def __init__(self, datas: Sequence[Dataset]) -> None:
        super().__init__()
        self.datas = datas

    def train_dataloader(self) -> Groups:
        """Return the training batches, as :meth:`Dataset.train_dataloader` does for one seed."""
        return Groups(self._stack_batches("train", self.datas))

    def val_dataloader(self) -> StackBatches:
        """Return the validation batches. Seeds differ in them only if their pixels are drawn at random each time."""
        drawn = self.datas[0].binarize == "dynamic"
        return self._stack_batches("val", self.datas if drawn else self.datas[:1])

    def transfer_batch_to_device(self, batch: object, device: torch.device, dataloader_idx: int) -> object:
        """Return the batch unchanged: batches are made on the device."""
        return batch

    def _stack_batches(self, split: str, datas: Sequence[Dataset]) -> StackBatches:
        parts: list[Batches] = []
        for data in datas:
            data.trainer = self.trainer
            parts.append(data.loader(split, split == "train", parts[0].examples if parts else None))
        return StackBatches(parts)
