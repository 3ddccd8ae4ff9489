"""Arrays of images whose first pixel is the image's position, and the dataset that reads them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of

from vae_lab.data.arrays import Arrays
from vae_lab.errors import UserError

N, H, W = 21, 5, 4


def images(*shape: int) -> np.ndarray:
    """Random bytes; the first pixel of each image is its position, and the second one is white."""
    pixels = np.random.default_rng(0).integers(0, 256, shape or (N, H, W), np.uint8)
    flat = pixels.reshape(len(pixels), -1)
    flat[:, 0], flat[:, 1] = np.arange(len(pixels)), 255
    return pixels


def loaded(path: str = "x.npy", **options):
    return Arrays(path, **options).load(Path("root"))


def whole(path: str = "x.npy", **options) -> torch.Tensor:
    """All images, in the order of the file if their first pixel counts them."""
    train, test = loaded(path, **options)
    both = torch.cat([bytes_of(train), bytes_of(test)])
    return both[both.flatten(1)[:, 0].argsort()]


def refusal(path: str = "x.npy", **options) -> str:
    with pytest.raises(UserError) as told:
        loaded(path, **options)
    assert "\n" not in str(told.value)
    return str(told.value)
