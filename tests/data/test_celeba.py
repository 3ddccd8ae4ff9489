import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of
from PIL import Image
from torchvision import datasets

from vae_lab.data.celeba import CelebA
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError

NAMES = [f"Attribute_{i}" for i in range(40)]
N, SPLITS = 12, [0] * 7 + [1] * 2 + [2] * 3


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """The published layout: image i is grey level 10·i in its central 148×148 and white around, red at the top."""
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    files = [f"{i + 1:06d}.jpg" for i in range(N)]
    for i, name in enumerate(files):
        pixels = np.full((218, 178, 3), 255, np.uint8)
        pixels[35:183, 15:163] = 10 * i
        pixels[35:72, 15:163, 0] = 255
        Image.fromarray(pixels).save(folder / "img_align_celeba" / name, quality=95)
    attributes = np.where((np.arange(N)[:, None] + np.arange(40)) % 3 == 0, 1, -1)
    rows = [f"{name} {' '.join(f'{v:2d}' for v in row)}" for name, row in zip(files, attributes)]
    texts = {
        "list_attr_celeba.txt": [str(N), " ".join(NAMES) + " ", *rows],
        "list_eval_partition.txt": [f"{name} {split}" for name, split in zip(files, SPLITS)],
        "identity_CelebA.txt": [f"{name} {i}" for i, name in enumerate(files)],
        "list_bbox_celeba.txt": [str(N), "image_id x_1 y_1 width height", *(f"{name} 1 2 3 4" for name in files)],
        "list_landmarks_align_celeba.txt": [str(N), "lefteye_x lefteye_y", *(f"{name} 1 2" for name in files)],
    }
    sums = [("", "", "img_align_celeba.zip")]
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n")
        sums.append(("", hashlib.md5((folder / name).read_bytes()).hexdigest(), name))
    monkeypatch.setattr(datasets.CelebA, "file_list", sums)
    return tmp_path


def test_the_split_is_the_published_one(root):
    data = Dataset("celeba", CelebA(), root, batch_size=2, seed=0)
    assert (len(data.train), len(data.val), len(data.test)) == (7, 2, 3)
    assert (bytes_of(data.val)[:, 1, 60, 32].float() / 10).round().tolist() == [7, 8]
    assert (bytes_of(data.test)[:, 1, 60, 32].float() / 10).round().tolist() == [9, 10, 11]


def test_the_centre_is_scaled_and_upright(root):
    train, _ = CelebA().load(root)
    images = bytes_of(train).int()
    assert images.shape == (9, 3, 64, 64)
    assert (images[5, 1] - 50).abs().max() < 30  # nothing of the white margin
    assert images[5, 0, :14].min() > 200  # the red band is at the top of the first channel
    assert images[5, 0, 20:].max() < 90


def test_attributes_are_0_or_1_with_their_names(root):
    train, test = CelebA().load(root)
    assert train.attributes == test.attributes == tuple(NAMES)
    expected = ((torch.arange(N)[:, None] + torch.arange(40)) % 3 == 0).float()
    assert torch.equal(test.y, expected[9:])


def test_images_that_do_not_fit_are_decoded_once_into_the_cache(root, monkeypatch):
    small, _ = CelebA().load(root)
    source = CelebA(memory_gb=1e-9)
    mapped, _ = source.load(root)
    assert torch.equal(bytes_of(small), bytes_of(mapped))
    monkeypatch.setattr("vae_lab.data.listed_images.Decoding._decode", None)
    assert torch.equal(bytes_of(source.load(root)[0]), bytes_of(mapped))


def test_a_missing_image_is_named(root):
    (root / "celeba" / "img_align_celeba" / "000003.jpg").unlink()
    for memory in (1, 1e-9):
        with pytest.raises(UserError, match=r"000003\.jpg"):
            CelebA(memory_gb=memory).load(root)


def test_a_damaged_list_is_told(root):
    (root / "celeba" / "identity_CelebA.txt").write_text("half")
    with pytest.raises(UserError, match=r"are incomplete or damaged .*identity_CelebA\.txt.* are needed there"):
        CelebA().load(root)


def test_without_files_the_package_for_the_download_and_other_ways_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)  # as if it were not installed
    with pytest.raises(UserError) as told:
        CelebA().load(tmp_path)
    line = str(told.value)
    assert "could not be downloaded" in line
    assert "gdown" in line
    assert "put list_attr_celeba.txt" in line
    assert "dataset=image_folder dataset.source.path=<folder> for any folder of face images" in line
    assert "\n" not in line
    assert list(tmp_path.iterdir()) == []
