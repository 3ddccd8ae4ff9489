"""The idx files of MNIST, Fashion-MNIST and KMNIST: unpacked from their archives, and checked.

torchvision checks the archives when it downloads them, but not the unpacked files.
"""

import gzip
import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.system.files import replaced

_MNIST = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_CLASSES, _SIDE = 10, 28


def unpack(option: str, folder: Path, archives: Iterable[tuple[str, str]]) -> None:
    """Unpack the archives in a folder whose files are missing.

    Args:
        option: the dataset, for messages: ``mnist``.
        folder: holds the archives, and receives the files.
        archives: the name of each archive, ending in ``.gz``, and its MD5.

    Raises:
        UserError: an archive is damaged, or the folder cannot be written to.
    """
    for name, md5 in archives:
        archive, file = folder / name, folder / name.removesuffix(".gz")
        if file.exists() or not archive.exists():
            continue
        if _md5(archive) != md5:
            raise UserError(
                f"dataset={option}: {archive} is truncated, corrupt or another file (its MD5 is not {md5}); delete "
                f"{folder} to download it again, or type data_dir=<another folder>"
            )
        try:
            with gzip.open(archive) as packed, replaced(file) as unfinished, unfinished.open("wb") as out:
                shutil.copyfileobj(packed, out)
        except OSError as why:
            raise UserError(
                f"dataset={option}: {archive} cannot be unpacked there ({why.strerror}); copy {folder.parent} into a "
                "folder that can be written to, and type data_dir=<that folder>"
            ) from why


def refuse_other_content(dataset: str, folder: Path, split: str, images: Tensor, labels: Tensor) -> None:
    """Check that the files of a split are those that were published, as far as this is known.

    The MD5 of MNIST's files is known. Of the others, the size of the images, the range of the labels, and that all
    classes have the same number of images, none of them blank.

    Args:
        dataset: its name in torchvision.
        folder: holds the files.
        split: 'train' or 'test'.
        images, labels: the content of the files: uint8 [N, H, W] and long [N].

    Raises:
        ValueError: the files differ.
    """
    if images.shape[1:] != (_SIDE, _SIDE):
        raise ValueError(f"images of {'×'.join(map(str, images.shape[1:]))} instead of {_SIDE}×{_SIDE}")
    if not 0 <= int(labels.min()) <= int(labels.max()) < _CLASSES:
        raise ValueError(f"labels from {int(labels.min())} to {int(labels.max())} instead of 0 to {_CLASSES - 1}")
    if dataset == "MNIST":
        for name, md5 in _MNIST.items():
            if name.startswith("train") == (split == "train") and _md5(folder / name) != md5:
                raise ValueError(f"the MD5 of {name} is not {md5}")
    elif len(set(torch.bincount(labels, minlength=_CLASSES).tolist())) > 1:
        raise ValueError("the classes have different numbers of images")
    elif (images.flatten(1).amax(1) == 0).any():
        raise ValueError("an image is blank")


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
