import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of
from test_torchvision_images import TEST, TRAIN, fake_idx, write_idx
from torchvision import datasets

from vae_lab.data import idx_files, torchvision_images
from vae_lab.data.idx_files import refuse_other_content
from vae_lab.data.torchvision_images import TorchvisionImages
from vae_lab.errors import UserError


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(torchvision_images, "_TRAIN_SIZE", dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST"), TRAIN))
    monkeypatch.setattr(torchvision_images, "_TEST_SIZE", TEST)
    monkeypatch.setattr(idx_files, "_MNIST", {})


def pack(folder: Path, monkeypatch, name: str = "MNIST") -> None:
    """Replace the files of a folder by their archives, whose MD5 torchvision then knows."""
    known = []
    for file in sorted(folder.iterdir()):
        packed = gzip.compress(file.read_bytes())
        (folder / f"{file.name}.gz").write_bytes(packed)
        known.append((f"{file.name}.gz", hashlib.md5(packed).hexdigest()))
        file.unlink()
    monkeypatch.setattr(getattr(datasets, name), "resources", known)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_archives_alone_are_unpacked(tmp_path, monkeypatch, name):
    folder = fake_idx(tmp_path, name)
    before = [bytes_of(part) for part in TorchvisionImages(name).load(tmp_path)]
    pack(folder, monkeypatch, name)
    assert len(TorchvisionImages(name).present(tmp_path)) == TEST
    for part, expected in zip(TorchvisionImages(name).load(tmp_path), before):
        assert torch.equal(bytes_of(part), expected)
    assert len(list(folder.iterdir())) == 8


def test_an_archive_of_another_md5_is_refused_and_nothing_is_unpacked(tmp_path, monkeypatch):
    folder = fake_idx(tmp_path)
    pack(folder, monkeypatch)
    first = min(folder.iterdir())
    first.write_bytes(first.read_bytes()[:-9])
    with pytest.raises(UserError) as refused:
        TorchvisionImages("MNIST").load(tmp_path)
    assert f"dataset=mnist: {first} is truncated, corrupt or another file" in str(refused.value)
    assert not first.with_suffix("").exists()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    pack(fake_idx(tmp_path), monkeypatch)

    def refuse(*args):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UserError, match=r"cannot be unpacked there \(Read-only file system\); .* data_dir="):
        TorchvisionImages("MNIST").load(tmp_path)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
@pytest.mark.parametrize("label", [10, 255])
@pytest.mark.parametrize("split", ["train", "t10k"])
def test_labels_out_of_range_are_refused_at_loading(tmp_path, name, label, split):
    folder = fake_idx(tmp_path, name)
    labels = np.arange(TRAIN if split == "train" else TEST) % 10
    labels[3] = label
    write_idx(folder / f"{split}-labels-idx1-ubyte", labels)
    with pytest.raises(UserError, match=f"files in {folder} .*labels from 0 to {label} instead of 0 to 9"):
        TorchvisionImages(name).load(tmp_path)


@pytest.mark.parametrize("name", ["FashionMNIST", "KMNIST"])
@pytest.mark.parametrize(("file", "values", "told"), [
    ("train-labels-idx1-ubyte", np.zeros(TRAIN), "different numbers of images"),
    ("t10k-images-idx3-ubyte", np.zeros((TEST, 28, 28)), "an image is blank"),
    ("t10k-images-idx3-ubyte", np.ones((TEST, 14, 56)), "images of 14×56 instead of 28×28"),
])  # fmt: skip
def test_files_that_a_crash_filled_with_zeros_are_refused(tmp_path, name, file, values, told):
    folder = fake_idx(tmp_path, name)
    write_idx(folder / file, values)
    with pytest.raises(UserError, match=told):
        TorchvisionImages(name).load(tmp_path)


def test_one_other_byte_in_a_file_of_mnist_is_refused(tmp_path, monkeypatch):
    folder = fake_idx(tmp_path)
    monkeypatch.setattr(
        idx_files, "_MNIST", {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    )
    TorchvisionImages("MNIST").load(tmp_path)
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(UserError, match=f"the MD5 of {file.name} is not|labels from"):
            TorchvisionImages("MNIST").load(tmp_path)
        file.write_bytes(whole)


@pytest.mark.skipif("VAE_LAB_DATA" not in os.environ, reason="needs the real files")
@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_published_files_are_accepted(monkeypatch, name, split):
    monkeypatch.undo()
    root = Path(os.environ["VAE_LAB_DATA"])
    folder = root / name / "raw"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    data = getattr(datasets, name)(str(root), train=split == "train")
    refuse_other_content(name, folder, split, data.data, data.targets)
