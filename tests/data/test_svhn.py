import hashlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from helpers import bytes_of
from torchvision import datasets

from vae_lab.data.svhn import SVHN
from vae_lab.errors import UserError


def write(folder: Path, monkeypatch) -> np.ndarray:
    """Write both files as published: images [32, 32, 3, N], and labels of 1 to 10, where 10 means 0."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 10), np.uint8)
    sums = {}
    for split in ("train", "test"):
        file = folder / f"{split}_32x32.mat"
        scipy.io.savemat(file, {"X": images, "y": np.arange(1, 11, dtype=np.uint8)[:, None]})
        sums[split] = ["", file.name, hashlib.md5(file.read_bytes()).hexdigest()]
    monkeypatch.setattr(datasets.SVHN, "split_list", sums)
    return images


@pytest.mark.parametrize("place", ["svhn", ""])
def test_images_and_labels_are_those_of_the_files(tmp_path, monkeypatch, place):
    images = write(tmp_path / place, monkeypatch)
    train, test = SVHN().load(tmp_path)
    assert torch.equal(bytes_of(train), torch.from_numpy(images.transpose(3, 2, 0, 1).copy()))
    assert train.labels.tolist() == test.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert train.classes == tuple("0123456789")


def test_a_damaged_file_is_told_with_its_folder(tmp_path, monkeypatch):
    write(tmp_path / "svhn", monkeypatch)
    (tmp_path / "svhn" / "test_32x32.mat").write_bytes(b"half")
    with pytest.raises(UserError, match=r"dataset=svhn: the files in .*svhn are incomplete or damaged"):
        SVHN().load(tmp_path)
