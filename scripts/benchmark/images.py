"""The images that all contestants train on: MNIST, or random bytes in its format, and generated colour images."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from vae_lab.data.cache import cache_dir, data_root

PICTURES = 10_240  # number of 64×64×3 images; vae-lab holds some of them out for validation and testing


def digits() -> tuple[Path, str]:
    """Return a folder that ``torchvision.datasets.MNIST`` can read, and a description of its images."""
    root = data_root(None)
    if (root / "MNIST" / "raw" / "train-images-idx3-ubyte").exists():
        return root, "MNIST"
    return _synthetic_digits(), "random images of MNIST's shape and number (MNIST was not at hand)"


def pictures(side: int = 64) -> Path:
    """Return a folder of colour PNG files: noise with a 1/f spectrum, like photographs. It is generated once."""
    folder = cache_dir("benchmark") / f"pictures_{side}"
    if not folder.exists():
        unfinished = folder.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        (unfinished / "all").mkdir(parents=True)
        draws = np.random.default_rng(0)
        for number in range(PICTURES):
            Image.fromarray(coloured_noise(draws, side)).save(unfinished / "all" / f"{number:05}.png")
        unfinished.rename(folder)
    return folder


def coloured_noise(draws: np.random.Generator, side: int) -> np.ndarray:
    """Return one image [side, side, 3] of bytes, in which each channel spans the full range."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1  # avoids a division by zero for the mean
    spectrum = np.fft.rfft2(draws.standard_normal((3, side, side))) / frequency
    values = np.fft.irfft2(spectrum, s=(side, side))
    low, high = values.min((1, 2), keepdims=True), values.max((1, 2), keepdims=True)
    return np.round(255 * (values - low) / (high - low)).astype(np.uint8).transpose(1, 2, 0)


def _synthetic_digits() -> Path:
    """Write the four files of MNIST with random bytes, and return their folder."""
    root = cache_dir("benchmark") / "digits"
    if not root.exists():
        unfinished = root.with_suffix(".part")
        raw = unfinished / "MNIST" / "raw"
        shutil.rmtree(unfinished, ignore_errors=True)
        raw.mkdir(parents=True)
        draws = np.random.default_rng(0)
        for part, n in (("train", 60_000), ("t10k", 10_000)):
            (raw / f"{part}-images-idx3-ubyte").write_bytes(_idx(draws.integers(0, 256, (n, 28, 28), np.uint8)))
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(_idx(draws.integers(0, 10, n, np.uint8)))
        unfinished.rename(root)
    return root


def _idx(array: np.ndarray) -> bytes:
    """Encode an array in MNIST's file format: a magic number (8 for bytes, number of axes), big-endian sizes, bytes."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
