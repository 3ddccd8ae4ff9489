"""Opens image files with Pillow: only formats that hold pixels, upright, and with errors that name the file.

Grey and colours are separated from transparency here; what becomes of them is decided in ``image_bytes.py``.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from vae_lab.data.image_files import formats, shown
from vae_lab.errors import UserError

_PHOTOMETRIC = 262  # the tag of TIFF that says whether 0 means white


@dataclass(frozen=True)
class Opened:
    """The first frame of an image file, upright."""

    image: Image.Image  # mode L or RGB with 8 bits; I;16, I or F with more
    alpha: Image.Image | None  # mode L, opacity from 0 to 255; None: the file has none
    several_frames: bool
    is_16_bits: bool  # the integers of a grey image use the range of 16 bits
    upper_bits_only: bool  # the file has 16 bits per channel, and Pillow drops the lower 8
    white_is_zero: bool  # the values of an image with more than 8 bits mean darkness


def opened(file: Path) -> Opened:
    """Read the first frame of an image file.

    Raises:
        UserError: the file cannot be read, is damaged or not an image, or has more pixels than Pillow considers safe.
    """
    with _named(file), Image.open(file, formats=formats()) as stored:
        _refuse_too_large(stored)
        storage, deep = str(stored.tile), stored.mode[0] in "IF"
        several = bool(getattr(stored, "is_animated", False))
        # Pillow scales 16-bit values of PGM files to the whole range, and its older versions call 16 bits "I".
        is_16_bits = stored.mode.startswith("I;16") or (stored.mode == "I" and stored.format in ("PPM", "PNG"))
        white_is_zero = deep and isinstance(stored, TiffImageFile) and stored.tag_v2.get(_PHOTOMETRIC) == 0
        key_scale = 85 if "'L;2'" in storage else 17 if "'L;4'" in storage else 1
        image = _upright(stored)
        if "LA;16" in storage:  # Pillow reads grey of 16 bits with transparency as colours
            image = image.convert("LA")
        return Opened(
            image=image if deep else _colours(image),
            alpha=_alpha(image, key_scale),
            several_frames=several,
            is_16_bits=is_16_bits,
            upper_bits_only=not deep and (";16" in storage or "SGI16" in storage),
            white_is_zero=white_is_zero,
        )


def for_each(files: Sequence[Path], do: Callable[[int], None]) -> None:
    """Call a function with the position of each file, in several threads, and show the progress."""
    from rich import get_console
    from rich.progress import track

    is_terminal = get_console().is_terminal
    with without_warnings(), ThreadPoolExecutor() as pool:  # decoding releases the global interpreter lock
        done = pool.map(do, range(len(files)))
        for _ in track(done, "reading images", len(files), transient=True, disable=not is_terminal):
            pass


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence Pillow, whose warnings name no file. This is for all threads, so that it is not done for each file."""
    log = logging.getLogger("PIL")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Turn errors of reading a file, which are of many kinds if it is damaged, into one line that names it."""
    try:
        yield
    except Exception as why:
        told = " ".join(str(why).split())[:160] or type(why).__name__
        if isinstance(why, UnidentifiedImageError):
            told = "it holds no image" if file.stat().st_size else "it is empty"
        elif isinstance(why, MemoryError):  # damaged files may claim to be of any size
            told = "it needs more memory than there is"
        elif isinstance(why, Image.DecompressionBombError):
            told = f"it has more than {(Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} million pixels"
        elif isinstance(why, OSError) and why.strerror:
            told = why.strerror
        raise UserError(f"{shown(file)} cannot be read as an image ({told}); remove or repair it") from why


def _refuse_too_large(image: Image.Image) -> None:
    """Refuse an image of so many pixels that Pillow takes it for one that was made to fill the memory."""
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and image.width * image.height > most:
        raise ValueError(f"it has {image.width}×{image.height} pixels, and {most / 1e6:.0f} million are allowed")


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata of an intact picture
        return image


def _alpha(image: Image.Image, key_scale: int) -> Image.Image | None:
    """Return the opacity of each pixel; None if the image has none.

    Args:
        image: the image.
        key_scale: the factor from the transparent value that a grey PNG names to the value of its pixels.
    """
    if not image.has_transparency_data:
        return None
    key: Any = image.info.get("transparency")  # a value, a colour, or the opacity of each colour of a palette
    if image.mode in ("1", "L") or image.mode[0] == "I":
        values = np.asarray(image.convert("L") if image.mode == "1" else image)
        return Image.fromarray(np.where(values == key * key_scale, 0, 255).astype(np.uint8))
    if image.mode == "RGB" and max(key) > 255:
        raise ValueError("one of its colours of 16 bits is transparent, which only 8 bits per channel can show")
    return image.convert("RGBA").getchannel("A")


def _colours(image: Image.Image) -> Image.Image:
    """Return the image without transparency, in mode ``L`` or ``RGB``."""
    if image.mode in ("LA", "La"):
        return image.convert("LA").getchannel("L")
    if image.mode in ("1", "L"):
        return image.convert("L")
    # A palette with transparency is read as RGBA first; its transparent colour would not survive otherwise.
    return (image.convert("RGBA") if image.mode in ("P", "PA", "RGBa") else image).convert("RGB")
