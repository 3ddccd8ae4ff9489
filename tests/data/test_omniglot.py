import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of
from PIL import Image
from torchvision import datasets

from vae_lab.data.omniglot import Omniglot
from vae_lab.errors import UserError


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """The published layout with two alphabets of two characters: black strokes on white, in 1 bit."""
    folder, sums = tmp_path / "omniglot-py", {}
    for part, alphabets in (("images_background", ("Greek", "Latin")), ("images_evaluation", ("Tagalog",))):
        for alphabet in alphabets:
            for character in range(1, 3):
                for drawer in range(1, 5):
                    pixels = np.full((105, 105), True)
                    pixels[:52, :52] = False  # a stroke that fills the upper left quarter
                    place = folder / part / alphabet / f"character{character:02d}" / f"{character:04d}_{drawer:02d}.png"
                    place.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).save(place)
        (folder / f"{part}.zip").write_bytes(part.encode())
        sums[part] = hashlib.md5(part.encode()).hexdigest()
    monkeypatch.setattr(datasets.Omniglot, "zips_md5", sums)
    return tmp_path


def test_the_published_split_has_no_labels_and_white_strokes(root):
    train, test = Omniglot().load(root)
    assert (len(train), len(test)) == (16, 8)
    assert train.x_shape == (1, 28, 28)
    assert train.labels is test.labels is None
    images = bytes_of(train)
    assert (images[:, 0, :13, :13] == 255).all()
    assert (images[:, 0, 15:] == 0).all()
    assert (images[:, 0, :, 15:] == 0).all()


def test_the_mixed_split_is_labelled_by_alphabet(root):
    train, test = Omniglot("mixed", 105, 105).load(root)
    assert (len(train), len(test)) == (18, 6)
    assert train.classes == ("Greek", "Latin", "Tagalog")
    assert torch.cat([train.labels, test.labels]).bincount().tolist() == [8, 8, 8]
    assert set(bytes_of(train).unique().tolist()) == {0, 255}


def test_folders_without_images_are_refused(root):
    for file in (root / "omniglot-py" / "images_evaluation").rglob("*.png"):
        file.unlink()
    with pytest.raises(UserError, match=r"images_evaluation has no images\); images_background.zip and"):
        Omniglot().load(root)
