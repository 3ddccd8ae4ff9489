"""Measure how fast batches of images come from memory and from a mapped file to the device that trains."""

import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import DEVICE, now
from torch import Tensor

from vae_lab.data import mapped_bytes
from vae_lab.data.batches import EpochOrder
from vae_lab.data.cache import cache_dir

SHAPE = (3, 64, 64)
SIZES = (128, 1024)  # of batches
FEW = 16  # images are read in this share of an epoch where no reading ahead helps, since an epoch takes minutes


def drawn(out: np.ndarray) -> None:
    """Fill the images with random bytes."""
    draws = np.random.default_rng(0)
    for block in np.array_split(np.arange(len(out)), max(1, len(out) // 1000)):
        out[block] = draws.integers(0, 256, (len(block), *SHAPE), np.uint8)


def evict(path: Path) -> None:
    """Ask the system to forget the pages of a file, which nobody may have mapped."""
    gc.collect()
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def rate(images: Tensor, size: int, share: int = 1) -> float:
    """Return the images per second of an epoch in random order, or of its first part, until they are on the device."""
    order, started, read = EpochOrder(len(images), size, 0, shuffle=True), now(), 0
    for index in order:
        read += len(images.index_select(0, index.to(images.device)).to(DEVICE))
        if read * share >= len(images):
            break
    return read / (now() - started)


def main() -> None:
    """Write rows with a place of the images, a batch size and the images per second."""
    task: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    shape = (task["images"], *SHAPE)
    path = cache_dir("benchmark") / f"storage-of-{task['images']}.npy"
    mapped_bytes.made_array(path, shape, drawn)
    ahead, rows = mapped_bytes._read_ahead, []

    def mapped(cold: bool, ahead: Callable[[Path], None]) -> Tensor:
        if cold:
            evict(path)
        mapped_bytes._read_ahead = ahead
        return mapped_bytes.made_array(path, shape, drawn)

    for size in SIZES:
        found = {"mapped, on the disk, not read ahead": rate(mapped(True, lambda _: None), size, FEW)}
        found["mapped, on the disk, read ahead"] = rate(mapped(True, ahead), size)
        images = mapped(False, ahead)
        found["mapped, in the system's memory"] = best(images, size)
        found["in the memory of the process"] = best(torch.from_numpy(np.array(images)), size)
        if DEVICE.type == "cuda":
            found["on the GPU"] = best(images.to(DEVICE), size)
        rows += [{"where": where, "batch": size, "images_per_second": value} for where, value in found.items()]
        del images
    Path(sys.argv[2]).write_text(json.dumps(rows), encoding="utf-8")


def best(images: Tensor, size: int) -> float:
    """Return the best rate of three epochs: other programs make it lower, and nothing makes it higher."""
    return max(rate(images, size) for _ in range(3))


if __name__ == "__main__":
    main()
