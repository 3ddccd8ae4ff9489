"""MNIST, Fashion-MNIST, KMNIST and CIFAR-10, read and downloaded by torchvision."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from vae_lab.data.cache import one_at_a_time
from vae_lab.data.idx_files import refuse_other_content, unpack
from vae_lab.data.source import unavailable
from vae_lab.errors import UserError
from vae_lab.examples import Examples
from vae_lab.system.unfinished import unfinished

_TRAIN_SIZE = {"MNIST": 60_000, "FashionMNIST": 60_000, "KMNIST": 60_000, "CIFAR10": 50_000}
_TEST_SIZE = 10_000
_OPTION = {"MNIST": "mnist", "FashionMNIST": "fashion_mnist", "KMNIST": "kmnist", "CIFAR10": "cifar10"}


class _Opened(Protocol):
    """A dataset of torchvision whose files were read."""

    data: np.ndarray | Tensor
    targets: Sequence[int] | Tensor
    classes: Sequence[str]


class _Reader(Protocol):
    """A dataset class of torchvision."""

    def __call__(self, root: str, *, train: bool, download: bool) -> _Opened: ...


class TorchvisionImages:
    """One of torchvision's datasets, in torchvision's folder layout below ``data_dir``."""

    def __init__(self, dataset: Literal["MNIST", "FashionMNIST", "KMNIST", "CIFAR10"]) -> None:
        self.dataset = dataset

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples; they are downloaded if their folder is missing or empty."""
        from torchvision import datasets

        reader: _Reader = getattr(datasets, self.dataset)
        folder = self._folder(reader, root)
        if not _is_filled(folder):
            self._download(reader, root, folder)
        self._unpack(reader, folder)
        sizes = {"train": _TRAIN_SIZE[self.dataset], "test": _TEST_SIZE}
        train, test = (self._read(reader, root, folder, split, size) for split, size in sizes.items())
        return train, test

    def present(self, root: Path) -> Examples | None:
        """Return the test examples if the files are in ``root`` already, else None; nothing is downloaded.

        Raises:
            UserError: the files are truncated or corrupt.
        """
        from torchvision import datasets

        reader: _Reader = getattr(datasets, self.dataset)
        folder = self._folder(reader, root)
        if not folder.is_dir():
            return None
        self._unpack(reader, folder)
        return self._read(reader, root, folder, "test", _TEST_SIZE)

    def _unpack(self, reader: _Reader, folder: Path) -> None:
        unpack(_OPTION[self.dataset], folder, getattr(reader, "resources", ()))  # CIFAR-10's file is unpacked already

    def _folder(self, reader: _Reader, root: Path) -> Path:
        return root / getattr(reader, "base_folder", f"{self.dataset}/raw")

    def _read(self, reader: _Reader, root: Path, folder: Path, split: str, size: int) -> Examples:
        try:
            data = reader(str(root), train=split == "train", download=False)
            if len(data.data) != size or len(data.targets) != size:
                raise ValueError(f"{len(data.data)} images and {len(data.targets)} labels instead of {size}")
            if isinstance(data.data, Tensor) and isinstance(data.targets, Tensor):  # idx files
                refuse_other_content(self.dataset, folder, split, data.data, data.targets)
        except Exception as why:  # torchvision's readers raise many kinds of errors for damaged files
            raise UserError(
                f"dataset={_OPTION[self.dataset]}: the {split} files in {folder} are missing, truncated or corrupt "
                f"({one_line(why)}); delete that folder to download them again, or type data_dir=<another folder>"
            ) from why
        images = torch.as_tensor(np.asarray(data.data))
        images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
        classes = tuple(name.split(" - ")[0] for name in data.classes)
        return Examples(images, torch.as_tensor(data.targets).long(), classes)

    def _download(self, reader: _Reader, root: Path, folder: Path) -> None:
        existed = root.exists()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with one_at_a_time(folder), unfinished(folder, folder=True) as temporary:
                if _is_filled(folder):  # another process has downloaded it meanwhile
                    return
                for train in (True, False):
                    reader(str(temporary), train=train, download=True)
                _remove_empty(folder)
                (temporary / folder.relative_to(root)).replace(folder)
        except (OSError, RuntimeError, EOFError) as why:
            raise unavailable(_OPTION[self.dataset], root, one_line(why)) from why
        finally:
            for created in (folder.parent, root):
                if created != root or not existed:
                    _remove_empty(created)


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def one_line(error: BaseException) -> str:
    """Return the error's message in one line.

    A failed download is described by the network's error alone, which torchvision repeats for each mirror.
    """
    network = re.search(r"<urlopen error (.*?)>", str(error))
    if network:
        return network.group(1)
    return " ".join(str(error).split())[:160] or type(error).__name__
