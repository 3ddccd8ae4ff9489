import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from vae_lab.figures.image_grids import image_grid
from vae_lab.figures.run_picture import UnreadablePicture, read_picture, write_picture


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "picture.png"


def bytes_of(images: torch.Tensor) -> np.ndarray:
    return (image_grid(images, 10, background=0.5) * 255).round().astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 11), (1, 1, 1), (3, 128, 128)])
def test_the_parts_are_read_as_they_were_written(file, shape):
    samples, originals, reconstructions = (torch.rand((n, *shape)) for n in (30, 10, 10))
    write_picture(file, samples, originals, reconstructions)
    above, below = read_picture(file)
    if shape[0] == 1:
        assert above.ndim == 2
        above, below = (np.repeat(part[..., None], 3, 2) for part in (above, below))
    assert np.array_equal(above, bytes_of(samples))
    assert np.array_equal(below, bytes_of(torch.cat([originals, reconstructions])))
    assert file.stat().st_size < 4 << 20


def test_fewer_test_images_than_columns_stay_above_their_reconstructions(file):
    write_picture(file, torch.zeros(30, 1, 2, 2), torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2))
    _, below = read_picture(file)
    assert (below[1:3, [1, 2, 4, 5, 7, 8]] == 0).all()
    assert (below[4:6, [1, 2, 4, 5, 7, 8]] == 255).all()
    assert (below[:, 10:] == 128).all()


def test_values_that_are_no_numbers_are_black(file):
    write_picture(file, torch.full((30, 1, 1, 1), float("nan")), *[torch.full((10, 1, 1, 1), float("inf"))] * 2)
    above, below = read_picture(file)
    assert set(above[1::2, 1::2].flat) == {0}
    assert set(below[1::2, 1::2].flat) == {255}


def png(size=(31, 16), mode="L", kind="PNG", **more) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **more)
    return out.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunk(name: bytes, content: bytes) -> bytes:
    whole = png()
    return whole[:33] + chunk(name, content) + whole[33:]  # after the header


def header(width: int, height: int) -> bytes:
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return start + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")


DAMAGED = {
    "empty": b"",
    "text": b"<script>alert(1)</script>",
    "cut in the header": png()[:20],
    "cut in the data": png((1291, 646))[:-40],
    "a JPEG": png(kind="JPEG"),
    "a GIF": png(kind="GIF"),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 31 16\n",
    "another size": png((30, 16)),
    "too wide": png((10 * 130 + 1, 16)),
    "no pixels": header(0, 0),
    "a bomb": header(60_000, 60_000),
    "a larger bomb": header(2**31 - 1, 2**31 - 1),
    "a bomb of text": with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100 << 20))),
    "a palette": png(mode="P"),
    "transparency": png(mode="RGBA"),
    "16 bits": png(mode="I;16"),
    "a wrong checksum": with_chunk(b"tEXt", b"a\0b").replace(b"a\0b", b"a\0c"),
    "too many bytes": png() + bytes(4 << 20),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_file_that_no_run_wrote_is_refused_in_one_line(file, content):
    file.write_bytes(content)
    with warnings.catch_warnings(record=True) as told, pytest.raises(UnreadablePicture) as refused:
        read_picture(file)
    assert not told
    assert 0 < len(str(refused.value)) < 120
    assert "\n" not in str(refused.value)
    assert "0x" not in str(refused.value)


@pytest.mark.parametrize("place", range(0, 400, 7))
def test_a_changed_byte_gives_a_picture_of_the_same_size_or_a_refusal(file, place):
    write_picture(file, *(torch.rand(n, 1, 4, 4) for n in (30, 10, 10)))
    content = bytearray(file.read_bytes())
    content[place] ^= 0xFF
    file.write_bytes(content)
    try:
        above, below = read_picture(file)
    except UnreadablePicture:
        return
    assert (above.shape, below.shape) == ((16, 51), (11, 51))


def test_what_else_a_file_holds_is_not_in_the_pixels(file):
    about = PngImagePlugin.PngInfo()
    about.add_text("Comment", "<script>")
    file.write_bytes(png(pnginfo=about, icc_profile=b"profile"))
    above, below = read_picture(file)
    assert (above.shape, below.shape) == ((10, 31), (7, 31))
