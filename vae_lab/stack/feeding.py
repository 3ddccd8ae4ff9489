"""The batches of a stack: each seed's own order and noise, side by side; one batch for all where nothing differs."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytorch_lightning as pl
import torch

from vae_lab.data.batches import Batches, EpochOrder, Groups
from vae_lab.data.dataset import Dataset
from vae_lab.stack.state import Together
from vae_lab.types import Batch


class Orders:
    """The orders of several seeds as one; Lightning calls ``set_epoch``."""

    def __init__(self, orders: Sequence[EpochOrder]) -> None:
        self.orders = orders
        self.batch_size = orders[0].batch_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose orders come next."""
        for order in self.orders:
            order.set_epoch(epoch)


class SideBySide:
    """Batches of several seeds, one slice each."""

    def __init__(self, parts: Sequence[Batches]) -> None:
        self.parts = parts
        self.images = parts[0].images
        self.sampler, self.batch_sampler = Orders([part.sampler for part in parts]), None

    def __len__(self) -> int:
        return len(self.parts[0])

    def __iter__(self) -> Iterator[Together]:
        for batches in zip(*self.parts):
            yield _together(batches)


def _together(batches: Sequence[Batch]) -> Together:
    first = batches[0]
    if len(batches) == 1:
        return Together(first.x, first.target, first.y, apart=False)
    x = torch.stack([batch.x for batch in batches])
    target = x if first.target is first.x else torch.stack([batch.target for batch in batches])
    y = None if first.y is None else torch.stack([batch.y for batch in batches if batch.y is not None])
    return Together(x, target, y, apart=True)


class StackData(pl.LightningDataModule):
    """Data of one dataset under several seeds, which share its bytes.

    Args:
        datas: one for each different seed.
    """

    def __init__(self, datas: Sequence[Dataset]) -> None:
        super().__init__()
        self.datas = datas

    def train_dataloader(self) -> Groups:
        """As :meth:`Dataset.train_dataloader`."""
        return Groups(self._side_by_side("train", self.datas))

    def val_dataloader(self) -> SideBySide:
        """As :meth:`Dataset.val_dataloader`; seeds differ in pixels that are drawn anew each time alone."""
        drawn = self.datas[0].binarize == "dynamic"
        return self._side_by_side("val", self.datas if drawn else self.datas[:1])

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Batches are made on the device."""
        return batch

    def _side_by_side(self, split: str, datas: Sequence[Dataset]) -> SideBySide:
        parts: list[Batches] = []
        for data in datas:
            data.trainer = self.trainer
            parts.append(data.loader(split, split == "train", parts[0].images if parts else None))
        return SideBySide(parts)
