import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of

from vae_lab.data.emnist import EMNIST
from vae_lab.errors import UserError


def write_split(root: Path, split: str, labels: np.ndarray) -> np.ndarray:
    """Write upright images as EMNIST publishes them, with rows and columns exchanged, and return them."""
    folder = root / "EMNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 28, 28), np.uint8)
    for part in ("train", "test"):
        for kind, array in (("images-idx3", images.transpose(0, 2, 1)), ("labels-idx1", labels)):
            head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (folder / f"emnist-{split}-{part}-{kind}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())
    return images


def test_images_are_upright(tmp_path):
    images = write_split(tmp_path, "balanced", np.arange(47))
    train, test = EMNIST().load(tmp_path)
    assert torch.equal(bytes_of(train)[:, 0], torch.from_numpy(images))
    assert torch.equal(bytes_of(train), bytes_of(test))


@pytest.mark.parametrize(
    ("split", "count", "first", "names"),
    [
        ("balanced", 47, 0, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"),
        ("bymerge", 47, 0, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"),
        ("letters", 26, 1, "abcdefghijklmnopqrstuvwxyz"),
        ("digits", 10, 0, "0123456789"),
        ("mnist", 10, 0, "0123456789"),
        ("byclass", 62, 0, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    ],
)
def test_each_split_has_its_classes(tmp_path, split, count, first, names):
    write_split(tmp_path, split, np.arange(first, first + count))
    train, _ = EMNIST(split).load(tmp_path)
    assert "".join(train.classes[i] for i in train.labels) == names
    assert len(train.classes) == count


def test_another_split_is_said_to_be_missing(tmp_path):
    write_split(tmp_path, "balanced", np.arange(47))
    with pytest.raises(UserError, match=r"emnist-letters-\{train,test\}.* are needed there") as told:
        EMNIST("letters").load(tmp_path)
    assert "download=True" not in str(told.value)
