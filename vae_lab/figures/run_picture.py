"""The picture of a run on the page of ``vae-lab compare``: its layout, and how its file is written and read.

A run writes the file when it is scored, so that a comparison loads no model and no data. A run folder may come from
someone else: the file is read as a PNG image of a limited size, and as nothing else.
"""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vae_lab.figures.image_grids import image_grid
from vae_lab.system.files import write_atomically

if TYPE_CHECKING:  # A comparison does not need torch, whose import takes seconds.
    from torch import Tensor

NAME = "picture.png"
SAMPLES, COLUMNS = 30, 10  # three rows of samples, then one row of test images and one of their reconstructions
ROWS = SAMPLES // COLUMNS + 2
LARGEST = 128  # most pixels of a side of an image in the picture
_BYTES = 4 << 20  # most bytes of a file; the largest picture without compression takes 2.4 MiB
_BACKGROUND = 0.5  # grey: distinguishable from black and from white images


class UnreadablePicture(Exception):
    """The file of a picture is damaged, or is not one that a run wrote."""


def write_picture(path: Path, samples: "Tensor", originals: "Tensor", reconstructions: "Tensor") -> None:
    """Write the picture of a run, atomically.

    Args:
        path: the file.
        samples: [30, C, H, W] in [0, 1]; C is 1 or 3, H and W are at most 128.
        originals: up to ten test images, [N, C, H, W].
        reconstructions: of these images, [N, C, H, W].
    """
    grids = [image_grid(images, COLUMNS, background=_BACKGROUND) for images in (samples, originals, reconstructions)]
    picture = np.concatenate([grids[0], *(grid[1:] for grid in grids[1:])])  # neighbours share the line between them
    with write_atomically(path, "wb") as file:
        file.write(png_of((np.nan_to_num(picture) * 255).round().astype(np.uint8)))


def read_picture(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the two parts of a picture, each uint8 [H, W] or [H, W, 3]: samples; test images and reconstructions.

    Raises:
        UnreadablePicture: the file is damaged, or is not one that a run wrote.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(_BYTES + 1)
    if len(content) > _BYTES:
        raise UnreadablePicture("the file is too large")
    pixels = _pixels_of(content)
    bottom = SAMPLES // COLUMNS * (len(pixels) // ROWS)
    return pixels[: bottom + 1], pixels[bottom:]


def _pixels_of(content: bytes) -> np.ndarray:
    """Decode the file; its size is tested before a pixel is decoded, since a small file can hold a huge image."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(action="error"), Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            (width, height), mode = image.size, image.mode
            if mode not in ("L", "RGB") or not (_fits(width, COLUMNS) and _fits(height, ROWS)):
                raise UnreadablePicture(f"a {mode} image of {width}×{height} pixels, which vae-lab does not write")
            return np.asarray(image)
    except UnreadablePicture:
        raise
    except UnidentifiedImageError as why:
        raise UnreadablePicture("not a PNG image") from why
    except Exception as why:  # Pillow raises many types of exception for a damaged file.
        raise UnreadablePicture(" ".join(str(why).split())[:80] or type(why).__name__) from why


def _fits(length: int, images: int) -> bool:
    """Whether a side of the picture holds this number of images of the same size, with lines of one pixel around."""
    return (length - 1) % images == 0 and 1 < (length - 1) // images <= LARGEST + 1


def png_of(pixels: np.ndarray) -> bytes:
    """Return uint8 pixels [H, W] or [H, W, 3] as a PNG file, with one channel where all of them are equal."""
    from PIL import Image

    grey = pixels.ndim == 2 or bool((pixels == pixels[..., :1]).all())
    out = io.BytesIO()
    Image.fromarray(pixels[..., 0] if grey and pixels.ndim == 3 else pixels).save(out, format="PNG", optimize=True)
    return out.getvalue()
