import gzip
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from helpers import bytes_of
from torchvision import datasets

from vae_lab.data import idx_files, torchvision_images
from vae_lab.data.torchvision_images import TorchvisionImages
from vae_lab.errors import UserError

TRAIN, TEST = 20, 10


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(torchvision_images, "_TRAIN_SIZE", dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST"), TRAIN))
    monkeypatch.setattr(torchvision_images, "_TEST_SIZE", TEST)
    monkeypatch.setattr(idx_files, "_MNIST", {})  # the files of the tests are not the published ones


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def fake_idx(root: Path, name: str = "MNIST") -> Path:
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for split, n in (("train", TRAIN), ("t10k", TEST)):
        write_idx(folder / f"{split}-images-idx3-ubyte", random.integers(0, 256, (n, 28, 28)))
        write_idx(folder / f"{split}-labels-idx1-ubyte", np.arange(n) % 10)
    return folder


def body(path: Path, header: int) -> torch.Tensor:
    return torch.frombuffer(bytearray(path.read_bytes()[header:]), dtype=torch.uint8)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_bytes_and_labels_are_those_of_the_files(tmp_path, name):
    folder = fake_idx(tmp_path, name)
    parts = TorchvisionImages(name).load(tmp_path)
    for part, split, n in zip(parts, ("train", "t10k"), (TRAIN, TEST)):
        assert bytes_of(part).shape == (n, 1, 28, 28)
        assert torch.equal(bytes_of(part).flatten(), body(folder / f"{split}-images-idx3-ubyte", 16))
        assert part.labels.tolist() == [i % 10 for i in range(n)]
        assert len(part.classes) == 10


def test_classes_of_digits_are_numbers(tmp_path):
    fake_idx(tmp_path)
    assert TorchvisionImages("MNIST").load(tmp_path)[0].classes[:3] == ("0", "1", "2")


def no_network(*args, **kwargs):
    raise URLError("no network")


@pytest.mark.parametrize(
    ("name", "option"), [("MNIST", "mnist"), ("FashionMNIST", "fashion_mnist"), ("KMNIST", "kmnist")]
)
def test_a_failed_download_is_named_with_datasets_that_work_offline(tmp_path, monkeypatch, name, option):
    monkeypatch.setattr(datasets.mnist, "download_and_extract_archive", no_network)
    with pytest.raises(UserError) as error:
        TorchvisionImages(name).load(tmp_path)
    told = str(error.value)
    assert f"dataset={option} " in told
    assert str(tmp_path) in told
    assert "data_dir=" in told
    assert "dataset=digits" in told
    assert "\n" not in told
    assert list(tmp_path.iterdir()) == []


def test_cifar_that_cannot_be_downloaded_is_named_too(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.cifar, "download_and_extract_archive", no_network)
    with pytest.raises(UserError, match="dataset=cifar10 is not in"):
        TorchvisionImages("CIFAR10").load(tmp_path)


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
@pytest.mark.parametrize("damage", ["cut", "cut in the header", "empty", "gone"])
def test_damaged_files_are_refused_with_their_folder(tmp_path, file, damage):
    folder = fake_idx(tmp_path)
    whole = (folder / file).read_bytes()
    keep = {"cut": len(whole) - 5, "cut in the header": 6, "empty": 0}
    (folder / file).unlink()
    if damage != "gone":
        (folder / file).write_bytes(whole[: keep[damage]])
    with pytest.raises(UserError) as error:
        TorchvisionImages("MNIST").load(tmp_path)
    told = str(error.value)
    assert told.startswith(
        f"dataset=mnist: the {'test' if 't10k' in file and damage != 'gone' else 'train'} files in {folder}"
    )
    assert "data_dir=" in told
    assert "\n" not in told


def test_fewer_images_than_the_dataset_has_are_refused(tmp_path):
    folder = fake_idx(tmp_path)
    write_idx(folder / "train-images-idx3-ubyte", np.zeros((TRAIN - 1, 28, 28)))
    with pytest.raises(UserError, match=f"{TRAIN - 1} images and {TRAIN} labels instead of {TRAIN}"):
        TorchvisionImages("MNIST").load(tmp_path)


def test_archives_alone_are_distinguished_from_an_empty_folder(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"half a download"))
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz is truncated, corrupt or another file"):
        TorchvisionImages("MNIST").load(tmp_path)


def test_files_that_are_present_are_read_and_others_never_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(TorchvisionImages, "_download", no_network)
    assert TorchvisionImages("FashionMNIST").present(tmp_path) is None
    folder = fake_idx(tmp_path, "FashionMNIST")
    found = TorchvisionImages("FashionMNIST").present(tmp_path)
    assert torch.equal(bytes_of(found).flatten(), body(folder / "t10k-images-idx3-ubyte", 16))
    (folder / "t10k-images-idx3-ubyte").write_bytes(b"half")
    with pytest.raises(UserError, match="dataset=fashion_mnist: the test files"):
        TorchvisionImages("FashionMNIST").present(tmp_path)
