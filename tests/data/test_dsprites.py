import math
from pathlib import Path

import numpy as np
import pytest
import torch

from vae_lab.data import dsprites
from vae_lab.data.dsprites import FILE, DSprites
from vae_lab.errors import UserError

SIZES = (3, 2, 4, 3, 5)
SIDE = 16
TOTAL = math.prod(SIZES)


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    monkeypatch.setattr(dsprites, "SIZES", SIZES)
    monkeypatch.setattr(dsprites, "SIDE", SIDE)
    monkeypatch.setattr(dsprites, "_AT_ONCE", 50)  # 50 does not divide 360, so that the last block is smaller
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path / "cache"))


def fake(folder: Path, **changed) -> np.ndarray:
    """Write a small file in the format of the published one, and return its images."""
    folder.mkdir(parents=True, exist_ok=True)
    imgs = np.random.default_rng(0).integers(0, 2, (TOTAL, SIDE, SIDE)).astype(np.uint8)
    values = np.stack(np.unravel_index(np.arange(TOTAL), SIZES), 1)
    classes = np.concatenate([np.zeros((TOTAL, 1), int), values], 1)
    content = {"imgs": imgs, "latents_classes": classes, "latents_values": classes.astype(float), **changed}
    np.savez_compressed(folder / FILE, **{name: array for name, array in content.items() if array is not None})
    return imgs


@pytest.mark.parametrize("below", ["", "dsprites"])
def test_bytes_are_those_of_the_file(tmp_path, below):
    imgs = fake(tmp_path / "data" / below)
    train, test = DSprites().load(tmp_path / "data")
    assert torch.equal(train.stored[torch.arange(TOTAL)], torch.from_numpy(imgs * 255).unsqueeze(1))
    assert (len(train), len(test)) == (TOTAL - 36, 36)
    assert train.factors.sizes == SIZES
    assert train.targets.tolist() == [i // (TOTAL // 3) for i in range(TOTAL)]


def test_they_are_held_as_bits(tmp_path):
    fake(tmp_path)
    assert DSprites().load(tmp_path)[0].stored.nbytes == TOTAL * SIDE**2 // 8


def test_the_file_is_packed_once_and_again_when_it_changes(tmp_path, monkeypatch):
    fake(tmp_path)
    first = DSprites().load(tmp_path)[0].stored[torch.arange(TOTAL)]
    packed, pack = [], dsprites._pack
    monkeypatch.setattr(dsprites, "_pack", lambda *files: (packed.append(files), pack(*files)))
    assert torch.equal(DSprites().load(tmp_path)[0].stored[torch.arange(TOTAL)], first)
    assert packed == []
    fake(tmp_path, imgs=np.zeros((TOTAL, SIDE, SIDE), np.uint8))
    assert DSprites().load(tmp_path)[0].stored[torch.arange(TOTAL)].max() == 0
    assert len(packed) == 1


def test_a_missing_file_is_reported_with_the_expected_place(tmp_path):
    with pytest.raises(UserError) as error:
        DSprites().load(tmp_path)
    assert FILE in str(error.value)
    assert str(tmp_path / "dsprites") in str(error.value)
    assert "dataset=sprites, which needs no file" in str(error.value)
    assert "\n" not in str(error.value)


WRONG = {
    "shape": {"imgs": np.zeros((TOTAL, SIDE, SIDE + 1), np.uint8)},
    "kind": {"imgs": np.zeros((TOTAL, SIDE, SIDE))},
    "no images": {"imgs": None},
    "no factors": {"latents_classes": None},
    "order": {"latents_classes": np.zeros((TOTAL, 6), int)},
}


@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG)
def test_another_layout_is_refused_in_one_line(tmp_path, changed):
    fake(tmp_path, **changed)
    with pytest.raises(UserError, match=r"truncated, corrupt or not the published file \(.+\)") as error:
        DSprites().load(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused_and_leaves_nothing_behind(tmp_path, keep):
    fake(tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: int(keep * len(whole)) if keep < 1 else keep])
    with pytest.raises(UserError, match="truncated"):
        DSprites().load(tmp_path)
    assert list((tmp_path / "cache" / "images").iterdir()) == []


def test_damage_inside_is_noticed(tmp_path):
    fake(tmp_path)
    damaged = bytearray((tmp_path / FILE).read_bytes())
    damaged[2000:2100] = bytes(100)
    (tmp_path / FILE).write_bytes(damaged)
    with pytest.raises(UserError, match="truncated, corrupt"):
        DSprites().load(tmp_path)
