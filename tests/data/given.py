"""Images that tests give to be scored: arrays and folders of image files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vae_lab.data.given_images import GivenImages
from vae_lab.errors import UserError

GREY, RGB = (1, 8, 9), (3, 8, 9)


def draws(*shape: int, seed: int = 0) -> np.ndarray:
    """Random floats in [0, 1) that contain 0 and a value close to 1."""
    values = np.random.default_rng(seed).random(shape)
    values.flat[0], values.flat[1] = 0, 0.999
    return values


def bytes_like(*shape: int, seed: int = 0) -> np.ndarray:
    return (draws(*shape, seed=seed) * 256).astype(np.uint8)


def saved(folder: Path, array: np.ndarray, name: str = "images.npy") -> str:
    np.save(folder / name, array)
    return str(folder / name)


def written(folder: Path, images: np.ndarray, suffix: str = ".png") -> str:
    """Write bytes [N, H, W] or [N, H, W, 3] as image files, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:03d}{suffix}")
    return str(folder)


def every(given: GivenImages) -> torch.Tensor:
    return given.at(torch.arange(len(given)))


def refusal(path: str, x_shape=GREY, *more) -> str:
    with pytest.raises(UserError) as told:
        GivenImages(path, x_shape, *more)
    message = str(told.value)
    assert "\n" not in message
    return message
