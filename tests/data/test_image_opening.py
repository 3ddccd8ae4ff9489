"""Damaged image files of all kinds are read or refused in one line that names them; nothing else may happen."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from image_kinds import KINDS
from PIL import Image

from vae_lab.data.image_bytes import ImageReader
from vae_lab.data.image_opening import opened, without_warnings
from vae_lab.errors import UserError

FILES = [case for cases in KINDS.values() for case in cases]


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Cut the content, or change some of its bytes, most often near the beginning."""
    if chance.random() < 0.25:
        return content[: chance.randrange(len(content) + 1)]
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 8)):
        place = chance.randrange(min(len(changed), chance.choice((64, 512, 2**20))))
        changed[place] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    return bytes(changed)


def refusals(folder: Path, seed: int, count: int) -> list[str]:
    """Read ``count`` damaged files; return what is said about those that are refused."""
    chance, told = random.Random(seed), []
    with without_warnings():
        for _ in range(count):
            case = chance.choice(FILES)
            path = folder / f"damaged{case.suffix}"
            case.write(path)
            path.write_bytes(damaged(path.read_bytes() or b"x", chance))
            reader = ImageReader("", **case.options)
            try:
                reader.read(path)
                reader.notes(folder)
            except UserError as why:
                told.append(str(why))
    return told


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path):
    told = refusals(tmp_path, seed=0, count=400)
    assert 100 < len(told) < 360
    assert all(str(tmp_path) in line and "\n" not in line for line in told)


@pytest.mark.slow
def test_many_damaged_files_are_read_or_refused_in_one_line(tmp_path):
    """VAE_LAB_DAMAGED_IMAGES=10000 tries that many; VAE_LAB_DAMAGED_SEED chooses others."""
    count, seed = (int(os.environ.get(f"VAE_LAB_DAMAGED_{name}", n)) for name, n in (("IMAGES", 3000), ("SEED", 1)))
    told = refusals(tmp_path, seed, count)
    assert 0 < len(told) < count
    assert all(str(tmp_path) in line and "\n" not in line for line in told)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    Image.new("L", (4, 4), 9).save(tmp_path / "a.png")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(UserError, match=r"a\.png cannot be read as an image \(Permission denied\)"):
        opened(tmp_path / "a.png")


def test_a_file_that_claims_to_need_all_memory_is_named(tmp_path, monkeypatch):
    Image.new("L", (4, 4), 9).save(tmp_path / "a.png")

    def fail(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(UserError, match=r"a\.png cannot be read as an image \(it needs more memory"):
        opened(tmp_path / "a.png")


def test_damaged_metadata_of_an_intact_picture_is_ignored(tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=b"Exif\0\0no directory at all")
    assert np.array_equal(np.asarray(opened(tmp_path / "a.png").image), pixels)
