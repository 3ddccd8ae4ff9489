"""Damaged array files are read or refused in one line that names them, whatever the damage."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from vae_lab.data.arrays import Arrays
from vae_lab.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 6, 5), np.uint8)


def written(folder: Path) -> list[Path]:
    """The same images in a file of every kind."""
    np.save(folder / "a.npy", IMAGES)
    np.savez_compressed(folder / "a.npz", x_train=IMAGES, y_train=np.arange(12) % 3)
    scipy.io.savemat(folder / "a.mat", {"x": IMAGES, "y": np.arange(12)}, do_compression=True)
    files = [folder / "a.npy", folder / "a.npz", folder / "a.mat"]
    try:
        import h5py
    except ImportError:
        return files
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("x", data=IMAGES, compression="gzip")
    return [*files, folder / "a.h5"]


def damaged(content: bytes, choose: random.Random) -> bytes:
    """Bytes of a file that was cut, has changed bits, or has a part overwritten."""
    place, kind = choose.randrange(len(content)), choose.randrange(3)
    if kind == 0:
        return content[:place]
    changed = bytearray(content)
    for at in range(place, min(len(content), place + choose.choice((1, 1, 8, 64)))):
        changed[at] = choose.randrange(256)
    return bytes(changed)


def refusals(folder: Path, count: int, seed: int) -> list[str]:
    """The messages about files of all kinds, each damaged a number of times; whatever else is raised is a fault."""
    choose, told = random.Random(seed), []
    contents = {path: path.read_bytes() for path in written(folder)}
    for path, content in contents.items():
        for _ in range(count):
            path.write_bytes(damaged(content, choose))
            try:
                Arrays(str(path), range=255.0).load(folder)
            except UserError as why:
                told.append(str(why))
    return told


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path):
    told = refusals(tmp_path, 40, seed=0)
    assert told
    assert all("a." in line and "\n" not in line for line in told)


@pytest.mark.slow
def test_many_damaged_files_are_read_or_refused_in_one_line(tmp_path):
    """VAE_LAB_DAMAGED_ARRAYS=1000 tries that many of each kind; VAE_LAB_DAMAGED_SEED chooses others."""
    count, seed = (int(os.environ.get(f"VAE_LAB_DAMAGED_{name}", n)) for name, n in (("ARRAYS", 1000), ("SEED", 1)))
    told = refusals(tmp_path, count, seed)
    print(f"{len(told)} refused")
    assert 0 < len(told) < 4 * count
    assert all("\n" not in line for line in told)
