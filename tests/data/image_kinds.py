"""Image files of every kind that people have, written by the tests. The names of kinds are the rows of docs/images.md.

A kind has cases: how a file is written, the options that it needs, and its bytes [C, H, W] or the refusal.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms
from sklearn.datasets import load_sample_image

PHOTO = Image.fromarray(load_sample_image("flower.jpg")).crop((300, 150, 323, 166))
COLOURS = np.asarray(PHOTO)  # [16, 23, 3]
GREY = np.asarray(PHOTO.convert("L"))
LEVELS = np.random.default_rng(0).integers(0, 65536, GREY.shape).astype(np.uint16)  # of 16 bits
LEVELS[0, :2] = 0, 65535
ALPHA = np.tile(np.linspace(0, 255, 23).round().astype(np.uint8), (16, 1))
HIDDEN = np.zeros((16, 23), bool)
HIDDEN[4:9, 5:] = True


@dataclass(frozen=True)
class Case:
    """One file: what writes it below a path without suffix, its options, and what is expected of it."""

    suffix: str
    write: Callable[[Path], object]
    expected: np.ndarray | str  # bytes [H, W] or [H, W, 3], or a regular expression of the refusal
    options: dict[str, Any] = field(default_factory=dict)
    tolerance: int = 0
    note: str = ""


def saved(image: Image.Image | np.ndarray, **options) -> Callable[[Path], object]:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    return lambda path: image.copy().save(path, **options)  # a copy, because saving leaves traces in an image


def frames(first: Image.Image, second: Image.Image, **options) -> Callable[[Path], object]:
    return lambda path: first.copy().save(path, save_all=True, append_images=[second.copy()], **options)


def content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def png(bits: int, colour: int, pixels: np.ndarray, transparent: bytes = b"", size: tuple[int, int] = ()) -> bytes:
    """A PNG file with any number of bits per channel, which Pillow cannot write; ``colour`` is the code of the format.

    ``size`` is a width and a height that the file wrongly claims to have.
    """

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = pixels.reshape(len(pixels), -1).astype(int)
    binary = ["".join(f"{value:0{bits}b}" for value in row) for row in rows]
    lines = [b"\0" + bytes(int(row[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(row), 8)) for row in binary]
    head = struct.pack(">IIBBBBB", *(size or (pixels.shape[1], len(pixels))), bits, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + (chunk(b"tRNS", transparent) if transparent else b"")
            + chunk(b"IDAT", zlib.compress(b"".join(lines))) + chunk(b"IEND", b""))  # fmt: skip


def laid_over(colours: np.ndarray, alpha: np.ndarray, background: int) -> np.ndarray:
    alpha = alpha[..., None] if colours.ndim == 3 else alpha
    return (colours * (alpha / 255) + background * (1 - alpha / 255)).round().astype(np.uint8)


def transparent(suffix: str, write: Callable[[Path], object], colours: np.ndarray, alpha: np.ndarray, slack=1):
    """A transparent file over white, over black, and refused without either."""
    return [
        Case(suffix, write, "has transparent pixels; type .*background=white or .*background=black"),
        *(Case(suffix, write, laid_over(colours, alpha, level), {"background": name}, slack, f"laid over {name}")
          for name, level in (("white", 255), ("black", 0))),
    ]  # fmt: skip


def scaled(values: np.ndarray, black: float, white: float) -> np.ndarray:
    return np.rint((values.astype(np.float64) - black) * 255 / (white - black)).astype(np.uint8)


def palette(image: Image.Image, colours: int = 64) -> Image.Image:
    return image.quantize(colours, dither=Image.Dither.NONE)


def with_hole(image: Image.Image) -> tuple[Image.Image, np.ndarray]:
    """A palette image in which one more colour marks hidden pixels, and its colours without the hole."""
    small = palette(image, 63)
    pixels = np.where(HIDDEN, 63, np.asarray(small)).astype(np.uint8)
    holed = Image.fromarray(pixels, "P")
    holed.putpalette([*small.getpalette()[: 63 * 3], 255, 0, 0])
    return holed, np.asarray(small.convert("RGB"))


def lab(image: Image.Image) -> Image.Image:
    profiles = (ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"))
    return ImageCms.applyTransform(image, ImageCms.buildTransform(*profiles, "RGB", "LAB"))


def turned(orientation: int) -> tuple[Image.Image, Image.Exif]:
    """The photograph stored as a camera in that orientation stores it, and the EXIF data that say so."""
    exif = Image.Exif()
    exif[274] = orientation
    way = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)  # the inverse of what a reader does
    return (PHOTO if way is None else PHOTO.transpose(Image.Transpose(way))), exif


def half(colours: np.ndarray) -> np.ndarray:
    return np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])


def as_bytes(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


_HOLED, _UNHOLED = with_hole(PHOTO)
_HOLE = np.where(HIDDEN, 0, 255).astype(np.uint8)
_RGBA, _LA = Image.fromarray(np.dstack([COLOURS, ALPHA])), Image.fromarray(np.dstack([GREY, ALPHA]))
_OTHER = PHOTO.transpose(Image.Transpose.ROTATE_180)
_TWO_BITS, _FOUR_BITS = GREY // 64, GREY // 16
_CMYK, _LAB = PHOTO.convert("CMYK"), lab(PHOTO)
_FLOATS = (LEVELS / 65535).astype(np.float32)
_PS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
_REFUSED, _DARK = "cannot be read as an image", "has a value above .*range="
_FIRST = "of which the first is read"
_PIXEL, _SHADE, _ALPHA_16 = COLOURS[3, 3].tolist(), int(GREY[3, 3]), ALPHA.astype(np.uint16) * 257
_INTEGERS = LEVELS.astype(np.int32)
_SIGNED = _INTEGERS % 4096 - 1024
_key = struct.Struct(">H").pack


def _hole(values: np.ndarray, key) -> np.ndarray:
    """The opacity where one value or one colour is transparent."""
    return np.where((values == np.array(key)).all(-1), 0, 255)


LOSSLESS = (".png", ".apng", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pnm", ".tga", ".vda", ".pcx", ".qoi", ".sgi",
            ".rgb", ".jp2", ".j2k")  # fmt: skip
LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif", ".avif", ".mpo")

KINDS: dict[str, list[Case]] = {
    "grey or RGB, 8 bits": [
        *(Case(suffix, saved(PHOTO), COLOURS) for suffix in LOSSLESS),
        *(Case(suffix, saved(PHOTO, quality=98), COLOURS, tolerance=30) for suffix in LOSSY),
        Case(".webp", saved(PHOTO, lossless=True), COLOURS),
        Case(".ico", saved(PHOTO, sizes=[PHOTO.size]), COLOURS),
        *(Case(suffix, saved(GREY), GREY) for suffix in (".png", ".tif", ".pgm", ".bmp", ".tga", ".jp2")),
    ],
    "1, 2 or 4 bits, palettes": [
        *(Case(suffix, saved(PHOTO.convert("1")), np.asarray(PHOTO.convert("1").convert("L")))
          for suffix in (".png", ".tif", ".bmp", ".pbm")),
        Case(".tif", saved(PHOTO.convert("1"), tiffinfo={262: 0}), np.asarray(PHOTO.convert("1").convert("L"))),
        Case(".png", content(png(2, 0, _TWO_BITS)), _TWO_BITS * 85),
        Case(".png", content(png(4, 0, _FOUR_BITS)), _FOUR_BITS * 17),
        *(Case(suffix, saved(palette(PHOTO)), np.asarray(palette(PHOTO).convert("RGB")))
          for suffix in (".png", ".gif", ".bmp", ".tif")),
    ],
    "CMYK, YCbCr, LAB": [
        Case(".tif", saved(_CMYK), np.asarray(_CMYK.convert("RGB"))),
        Case(".jpg", saved(_CMYK, quality=98), COLOURS, tolerance=30),
        Case(".tif", saved(PHOTO.convert("YCbCr")), COLOURS, tolerance=3),
        Case(".tif", saved(_LAB), COLOURS, tolerance=12),
    ],
    "transparent pixels": [
        *(case for suffix in (".png", ".tif", ".tga", ".jp2")
          for case in transparent(suffix, saved(_RGBA), COLOURS, ALPHA)),
        *transparent(".webp", saved(_RGBA, lossless=True, exact=True), COLOURS, ALPHA),
        *(case for suffix in (".png", ".tif") for case in transparent(suffix, saved(_LA), GREY, ALPHA)),
        *transparent(".png", saved(_HOLED, transparency=63), _UNHOLED, _HOLE),
        *transparent(".gif", saved(_HOLED, transparency=63), _UNHOLED, _HOLE),
        *transparent(".png", content(png(8, 2, COLOURS, struct.pack(">3H", *_PIXEL))), COLOURS, _hole(COLOURS, _PIXEL)),
        *transparent(".png", content(png(8, 0, GREY, _key(_SHADE))), GREY, _hole(GREY[..., None], _SHADE)),
        *transparent(".png", content(png(2, 0, _TWO_BITS, _key(1))), _TWO_BITS * 85, _hole(_TWO_BITS[..., None], 1)),
        *transparent(".png", content(png(16, 0, LEVELS, _key(65535))), scaled(LEVELS, 0, 65535),
                     _hole(LEVELS[..., None], 65535)),
        *transparent(".png", content(png(16, 4, np.dstack([LEVELS, _ALPHA_16]))), LEVELS // 256, ALPHA),
    ],
    "transparency without a transparent pixel": [
        *(Case(suffix, saved(Image.fromarray(half(COLOURS))), COLOURS) for suffix in (".png", ".tif", ".tga")),
        Case(".png", saved(Image.fromarray(half(GREY))), GREY),
        Case(".png", content(png(8, 0, GREY, _key(255 if GREY.max() < 255 else 1))), GREY),
    ],
    "16 bits": [
        *(Case(suffix, saved(LEVELS), scaled(LEVELS, 0, 65535)) for suffix in (".png", ".tif")),
        Case(".tif", saved(Image.frombytes("I;16B", PHOTO.size, LEVELS.astype(">u2").tobytes())),
             scaled(LEVELS, 0, 65535)),
        Case(".tif", saved(LEVELS, tiffinfo={262: 0}), scaled(65535 - LEVELS.astype(int), 0, 65535)),
        Case(".pgm", content(b"P5 23 16 65535\n" + LEVELS.astype(">u2").tobytes()), scaled(LEVELS, 0, 65535)),
        Case(".pgm", content(b"P5 23 16 4095\n" + (LEVELS >> 4).astype(">u2").tobytes()), scaled(LEVELS >> 4, 0, 4095)),
        Case(".png", content(png(16, 2, np.dstack([LEVELS] * 3))), np.dstack([LEVELS >> 8] * 3).astype(np.uint8)),
    ],
    "16 bits that are not used": [
        *(Case(suffix, saved(LEVELS >> 4), r"above 4095; type {option}=65535 if .*, or {option}=4095 if")
          for suffix in (".png", ".tif")),
        Case(".png", saved(LEVELS >> 4), scaled(LEVELS >> 4, 0, 4095), {"range": 4095}),
        Case(".png", saved(LEVELS >> 4), scaled(LEVELS >> 4, 0, 65535), {"range": 65535}),
        Case(".png", saved(LEVELS >> 4), "values from 0 to 4095, and 0 means black and 1023 white", {"range": 1023}),
        Case(".png", content(png(16, 2, np.dstack([LEVELS >> 4] * 3))), "or save them with 8 bits"),
        Case(".png", saved(GREY), "has 8 bits, and no value of them is 4095", {"range": 4095}),
    ],
    "32-bit integers, negative integers": [
        Case(".tif", saved(_INTEGERS * 1000), r"has values from 0 to 6.5535e\+07; .*e.g. {option}=67108863"),
        Case(".tif", saved(_INTEGERS * 1000), scaled(LEVELS, 0, 65535), {"range": 65535000}),
        Case(".tif", saved(_SIGNED), r"has values from -1024 to 3\d+; .*e.g. {option}=\[-1024,4095\]"),
        Case(".tif", saved(_SIGNED), scaled(_SIGNED, -1024, 3071), {"range": [-1024, 3071]}),
    ],
    "floating-point numbers": [
        Case(".tif", saved(_FLOATS), r"has values from 0 to 1; .*range=1$"),
        Case(".tif", saved(_FLOATS), scaled(_FLOATS, 0, 1), {"range": 1}),
        Case(".tif", saved(_FLOATS * 2 - 1), scaled(_FLOATS, 0, 1), {"range": [-1, 1]}),
        Case(".tif", saved(_FLOATS * 2 - 1), r"has values from -1 to 1, and 0 means black", {"range": 1}),
        Case(".tif", saved(np.where(HIDDEN, np.nan, _FLOATS)), "NaN or infinite", {"range": 1}),
        Case(".pfm", content(b"Pf\n23 16\n-1.0\n" + _FLOATS[::-1].tobytes()), scaled(_FLOATS, 0, 1), {"range": 1}),
    ],
    "8 bits without a value above 1": [
        Case(".png", saved(HIDDEN.astype(np.uint8)), f"no image of 8 bits {_DARK}"),
        Case(".png", saved(HIDDEN.astype(np.uint8)), HIDDEN * np.uint8(255), {"range": 1}),
        Case(".png", saved(HIDDEN.astype(np.uint8)), HIDDEN.astype(np.uint8), {"range": 255}),
        Case(".png", saved(np.dstack([COLOURS * 0, ALPHA])), "all images are black; type .*background=white",
             {"background": "black"}),
    ],
    "EXIF orientation": [
        Case(suffix, saved(image, exif=exif, **more), COLOURS)
        for suffix, more in ((".png", {}), (".webp", {"lossless": True}), (".tif", {}))
        for image, exif in map(turned, range(1, 9))
    ],
    "several frames or pages": [
        Case(".gif", frames(palette(PHOTO), palette(_OTHER)),
             np.asarray(palette(PHOTO).convert("RGB")), note=_FIRST),
        *(Case(suffix, frames(PHOTO, _OTHER, **more), COLOURS, note=_FIRST)
          for suffix, more in ((".tif", {}), (".png", {}), (".webp", {"lossless": True}))),
        *(Case(suffix, frames(PHOTO, _OTHER, quality=98), COLOURS, {}, 30, _FIRST)
          for suffix in (".mpo", ".avif")),
    ],
    "damaged, empty, or not an image": [
        Case(".png", content(b""), rf"{_REFUSED} \(it is empty\); remove or repair it"),
        Case(".png", content(b"no image"), rf"{_REFUSED} \(it holds no image\)"),
        *(Case(suffix, content(as_bytes(PHOTO.resize((200, 200)), kind)[:700]), _REFUSED)
          for suffix, kind in ((".png", "PNG"), (".jpg", "JPEG"), (".tif", "TIFF"), (".webp", "WEBP"))),
        Case(".png", content(png(8, 0, GREY, b"x")), rf"{_REFUSED} \(Truncated tRNS chunk\)"),
        Case(".png", content(png(16, 2, np.dstack([LEVELS] * 3), b"\1" * 6)), f"{_REFUSED}.*transparent"),
        *(Case(suffix, content(_PS), rf"{_REFUSED} \(it holds no image\)") for suffix in (".jpg", ".png", ".tif")),
    ],
    "more than 89 million pixels": [
        Case(".png", content(png(1, 0, np.zeros((1, 8)), size=(20_000, 5_000))),
             rf"{_REFUSED} \(it has 20000×5000 pixels, and 89 million are allowed\)"),
        Case(".png", content(png(1, 0, np.zeros((1, 8)), size=(20_000, 50_000))),
             f"{_REFUSED}.*more than 89 million pixels"),
    ],
}  # fmt: skip
