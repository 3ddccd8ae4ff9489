"""Every kind of image file becomes the same bytes in training and in scoring, or is refused in one line by both."""

import re
import subprocess

import numpy as np
import pytest
import torch
from helpers import bytes_of
from image_kinds import KINDS, Case

from vae_lab.data.given_folder import GivenFolder
from vae_lab.data.image_folder import ImageFolder
from vae_lab.errors import UserError

CASES = [
    pytest.param(case, id=f"{kind}-{case.suffix[1:]}-{i}")
    for kind, cases in KINDS.items()
    for i, case in enumerate(cases)
]


def trained_on(folder, options):
    train, test = ImageFolder(str(folder), **options).load(folder)
    return torch.cat([bytes_of(train), bytes_of(test)]).numpy(), train.notes


def scored(folder, options):
    given = GivenFolder(folder, **options)
    return given.read(range(given.count)), given.notes


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("read", "prefix"), [(trained_on, "dataset.source."), (scored, "")], ids=["train", "score"])
def test_every_kind_is_read_rightly_or_refused(tmp_path, monkeypatch, case: Case, read, prefix):
    monkeypatch.setattr(subprocess, "Popen", None)  # Pillow must start no other program, such as Ghostscript
    for name in "ab":
        case.write(tmp_path / f"{name}{case.suffix}")
    if isinstance(case.expected, str):
        with pytest.raises(UserError) as refused:
            read(tmp_path, case.options)
        message = str(refused.value)
        assert re.search(case.expected.replace("{option}", f"{prefix}range"), message), message
        assert "\n" not in message
        assert str(tmp_path) in message
        assert all(word.startswith(f"{prefix}range=") for word in message.split() if "range=" in word)
        return
    images, notes = read(tmp_path, case.options)
    expected = case.expected[None] if case.expected.ndim == 2 else case.expected.transpose(2, 0, 1)
    assert images.shape == (2, *expected.shape)
    assert np.abs(images.astype(int) - expected).max() <= case.tolerance
    assert case.note in " ".join(notes)
    assert bool(notes) == bool(case.note)


def test_docs_have_a_row_for_every_kind():
    from vae_lab.config.help import CONF

    text = (CONF.parent / "docs" / "images.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \|", text.partition("## Files")[2].partition("\n## ")[0], re.MULTILINE)
    assert set(rows) - {"file", "---"} == set(KINDS)


def test_a_folder_of_drawings_without_background_is_refused_and_with_one_it_is_not_black(tmp_path):
    from PIL import Image

    for i in range(4):
        strokes = np.zeros((8, 8, 4), np.uint8)  # black strokes on transparent ground; the ground is black, too
        strokes[i, :, 3] = 255
        Image.fromarray(strokes).save(tmp_path / f"{i}.png")
    with pytest.raises(UserError, match="background=white"):
        trained_on(tmp_path, {})
    images, notes = trained_on(tmp_path, {"background": "white"})
    assert (images == 255).mean() == pytest.approx(7 / 8)
    assert notes == ("4 transparent images are laid over white.",)


@pytest.mark.parametrize("white", [300, 1000])
def test_16_bits_are_in_doubt_only_if_no_image_of_the_folder_uses_them(tmp_path, white):
    from PIL import Image

    Image.fromarray(np.full((8, 8), white, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=f"above {white}"):
        scored(tmp_path, {})
    Image.fromarray(np.full((8, 8), 60_000, np.uint16)).save(tmp_path / "b.png")
    images, _ = scored(tmp_path, {})
    assert images[:, 0, 0, 0].tolist() == [round(white / 257), round(60_000 / 257)]


@pytest.mark.parametrize("wrong", [[1, 0], [3, 3], [1], [0, 1, 2]])
def test_a_range_is_black_then_white(tmp_path, wrong):
    with pytest.raises(UserError, match=r"dataset\.source\.range=.*black, then white"):
        ImageFolder("pics", range=wrong)
