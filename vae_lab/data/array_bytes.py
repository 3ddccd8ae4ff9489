"""Images of an array as bytes: in memory, mapped from the file as they are, or mapped from a file in the cache."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from vae_lab.data.array_images import ArrayImages
from vae_lab.data.mapped_bytes import held_bytes, key_of
from vae_lab.data.value_range import ValueRange

_AT_ONCE = 2**24  # values that are converted in one step


def image_bytes(images: ArrayImages, values: ValueRange, order: np.ndarray | None, memory: int) -> Tensor:
    """Return the images as uint8 [N, C, H, W].

    Bytes in the right order are used as they are in the file; other values are scaled to 0–255 and rounded.

    Args:
        images: the images.
        values: the values that mean black and white.
        order: the positions in which the images are returned, [N]; None: as in the file.
        memory: images that take more bytes than this are mapped into memory.
    """
    full = (images.count, *images.shape)
    whole = images.whole() if order is None and (values.black, values.white) == (0, 255) else None
    if whole is not None:
        return torch.from_numpy(np.array(whole) if np.prod(full) <= memory else whole)
    taken = b"" if order is None else order.tobytes()
    options = (images.name, images.layout, values.black, values.white, hashlib.sha256(taken).hexdigest())
    return held_bytes(
        full, memory, lambda: key_of(options, [images.file.resolve()]), lambda out: _convert(images, values, order, out)
    )


def _convert(images: ArrayImages, values: ValueRange, order: np.ndarray | None, out: np.ndarray) -> None:
    from rich.progress import track

    order = np.arange(images.count) if order is None else order
    blocks = np.array_split(np.arange(images.count), -(-out.size // _AT_ONCE))
    for block in track(blocks, f"reading {images.file.name}", transient=True, disable=len(blocks) < 10):
        out[block] = np.rint(values.unit(images.read(order[block])) * 255).astype(np.uint8)
