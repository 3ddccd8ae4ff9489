"""How an image file becomes bytes: the one place where this is decided, for training and scoring alike.

The result is grey or RGB with 8 bits, upright as the EXIF orientation says. What a file leaves open (what lies behind
transparent pixels, which value means white) is asked for; docs/images.md has the table of all kinds.
"""

import math
import threading
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from vae_lab.data.image_files import shown
from vae_lab.data.image_opening import Opened, opened
from vae_lab.data.value_range import Range, black_and_white
from vae_lab.errors import UserError

Background = Literal["white", "black"]
READING = 2  # is part of the names of cached images; a higher number when the same file becomes other bytes
_ROUNDING = 1e-5  # how far, relative to white, a number may lie outside its range and still count as a rounding error
_MODES = {1: "L", 3: "RGB"}
_16_BITS = 65_535
_BYTES, _INTEGERS, _CHANNELS = "8 bits", "16 bits", "16 bits per channel"
# By the bits of the files: if no value is above the first number, it is in doubt whether the second one means white.
_DARK = {_BYTES: (1, 255), _INTEGERS: (_16_BITS // 2, _16_BITS), _CHANNELS: (_16_BITS // 2, _16_BITS)}


class ImageReader:
    """Reads image files as 8-bit images, and remembers what the user should know about them.

    Args:
        prefix: what precedes the names of the options in messages: ``dataset.source.``, or nothing.
        background: what transparent images are laid over; None: they are refused.
        range: the pixel values that mean black and white, or white alone if 0 means black; None: 0 and 255, or 0 and
            65,535 in files of 16 bits.
    """

    def __init__(self, prefix: str, background: Background | None = None, range: Range | None = None) -> None:
        self.prefix, self.background = prefix, background
        self.ends = None if range is None else black_and_white(range, f"{prefix}range")
        self._lock = threading.Lock()
        self._several: set[Path] = set()  # files with more than one frame
        self._transparent: set[Path] = set()
        self._highest: dict[str, float] = {}  # largest pixel value of all files by their bits, if no range is given

    def read(self, file: Path) -> Image.Image:
        """Return the first frame of a file in mode ``L`` if it is grey, else in ``RGB``.

        Raises:
            UserError: the file is not an image that can be read; or it is transparent, or its range of values is
                unclear, and the option that says what to do is not given.
        """
        found = opened(file)
        if found.several_frames:
            self._several.add(file)
        if found.image.mode[0] in "IF":
            return self._laid_over(self._eight_bits(found, file), found.alpha, file)
        image = self._laid_over(self._scaled(found, file), found.alpha, file)
        bits, unit = (_CHANNELS, 257) if found.upper_bits_only else (_BYTES, 1)
        self._note_highest(bits, _extremes(image)[1] * unit)
        return image

    def notes(self, folder: Path) -> list[str]:
        """Return sentences about the files that were read.

        Raises:
            UserError: the files together leave open which value means white.
        """
        self._refuse_dark(folder)
        notes = []
        if n := len(self._several):
            files = "image file has" if n == 1 else "image files have"
            example = shown(min(self._several).name)
            notes.append(f"{n:,} {files} several frames or pages, of which the first is read ({example}).")
        if n := len(self._transparent):
            images = "transparent image is" if n == 1 else "transparent images are"
            notes.append(f"{n:,} {images} laid over {self.background}.")
        return notes

    def _eight_bits(self, found: Opened, file: Path) -> Image.Image:
        """Return an image of 16 or 32 bits or of floating-point numbers with 8 bits, rounded."""
        values = np.asarray(found.image)
        if not np.isfinite(values).all():
            raise UserError(f"{shown(file)} has values that are NaN or infinite; repair or remove it")
        low, high = float(values.min()), float(values.max())
        ends = self.ends or ((0, _16_BITS) if found.is_16_bits else None)
        if ends is None:
            raise UserError(
                f"{shown(file)} has values from {low:.7g} to {high:.7g}; type {self.prefix}range=[<black>,<white>], "
                f"the values that mean black and white, e.g. {self._typed(low, high)}"
            )
        self._refuse_outside(ends, low, high, file)
        self._note_highest(_INTEGERS, high)
        black, white = ends
        levels = (values.clip(black, white).astype(np.float64) - black) * (255 / (white - black))
        return Image.fromarray(np.rint(255 - levels if found.white_is_zero else levels).astype(np.uint8))

    def _scaled(self, found: Opened, file: Path) -> Image.Image:
        """Return an image of 8 bits, scaled if other values than 0 and 255 mean black and white."""
        image = found.image
        if self.ends is None or self.ends == (0, _16_BITS if found.upper_bits_only else 255):
            return image
        if found.upper_bits_only:
            raise UserError(
                f"{shown(file)} has 16 bits per channel, of which only the upper 8 are read; save it with 8 bits"
            )
        black, white = self.ends
        if white > 255:
            raise UserError(
                f"{shown(file)} has 8 bits, and no value of them is {white:.7g}, which means white; keep images of "
                "different bits in different folders"
            )
        self._refuse_outside(self.ends, *_extremes(image), file)
        levels = np.rint((np.arange(256).clip(black, white) - black) * (255 / (white - black))).astype(int)
        return image.point(levels.tolist() * len(image.getbands()))

    def _refuse_outside(self, ends: tuple[float, float], low: float, high: float, file: Path) -> None:
        black, white = ends
        margin = _ROUNDING * (white - black)
        if low < black - margin or high > white + margin:
            raise UserError(
                f"{shown(file)} has values from {low:.7g} to {high:.7g}, and {black:.7g} means black and {white:.7g} "
                f"white; type {self._typed(low, high)}, or the range of all images"
            )

    def _note_highest(self, bits: str, high: float) -> None:
        if self.ends is None:
            with self._lock:
                self._highest[bits] = max(self._highest.get(bits, 0), high)

    def _refuse_dark(self, folder: Path) -> None:
        """Refuse images that would be nearly black because their values do not use the range of their files."""
        for bits, high in self._highest.items():
            least, white = _DARK[bits]
            if high > least:
                continue
            if high == 0 and self._transparent and self.background == "black":
                raise UserError(f"{shown(folder)}: all images are black; type {self.prefix}background=white")
            if high == 0:
                raise UserError(
                    f"{shown(folder)}: all pixels are 0; type {self._typed(0, white)} if the images are black"
                )
            instead = (
                "save them with 8 bits if they are not"
                if bits == _CHANNELS
                else (f"{self._typed(0, high)} if that means white")
            )
            raise UserError(
                f"{shown(folder)}: no image of {bits} has a value above {high:g}; type {self._typed(0, white)} if the "
                f"images are dark, or {instead}"
            )

    def _laid_over(self, image: Image.Image, alpha: Image.Image | None, file: Path) -> Image.Image:
        if alpha is None or alpha.getextrema()[0] == 255:
            return image
        if self.background is None:
            raise UserError(
                f"{shown(file)} has transparent pixels; type {self.prefix}background=white or "
                f"{self.prefix}background=black to lay the images over it"
            )
        self._transparent.add(file)
        return Image.composite(image, Image.new(image.mode, image.size, self.background), alpha)

    def _typed(self, low: float, high: float) -> str:
        """Return the option that gives the range of these values, with white as the largest number of as many bits."""
        white = 1 if high <= 1 else 2 ** math.ceil(high).bit_length() - 1
        return f"{self.prefix}range={white}" if low >= 0 else f"{self.prefix}range=[{math.floor(low)},{white}]"


def pixels_of(image: Image.Image, channels: int, height: int, width: int) -> np.ndarray:
    """Return an image as bytes [C, H, W]: scaled (bilinear) until it just covers the size, with the centre cut out.

    Args:
        image: grey or RGB.
        channels: 1 (grey) or 3 (RGB).
        height, width: size in pixels.
    """
    image = image.convert(_MODES[channels])
    if (image.height, image.width) != (height, width):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, np.uint8).reshape(height, width, channels).transpose(2, 0, 1)


def _extremes(image: Image.Image) -> tuple[int, int]:
    """Return the smallest and the largest value of an image in mode ``L`` or ``RGB``."""
    values = np.ravel(image.getextrema())
    return int(values.min()), int(values.max())
