from pathlib import Path

import pytest
from helpers import bytes_of
from PIL import Image

from vae_lab.data.lfw import LFW
from vae_lab.errors import UserError

PEOPLE = {"Train": {"Ann_Lee": 2, "Bo_Ek": 1}, "Test": {"Cy_Fox": 3}}


def saved(root: Path, folder: str = "lfw_funneled", table: bool = False) -> Path:
    """The published layout: image k of a person is grey level 20·k."""
    place = root / "lfw-py"
    for split, people in PEOPLE.items():
        for person, count in people.items():
            (place / folder / person).mkdir(parents=True)
            for k in range(1, count + 1):
                image = Image.new("RGB", (250, 250), (20 * k,) * 3)
                image.save(place / folder / person / f"{person}_{k:04d}.jpg")
        lines = [f"{person}{',' if table else chr(9)}{n}" for person, n in people.items()]
        head = "name,images" if table else str(len(people))
        (place / f"peopleDev{split}.{'csv' if table else 'txt'}").write_text("\n".join([head, *lines]) + "\n")
    return root


@pytest.mark.parametrize(
    ("alignment", "folder", "table"),
    [
        ("funneled", "lfw_funneled", False),
        ("original", "lfw", False),
        ("deepfunneled", "lfw-deepfunneled/lfw-deepfunneled", True),
    ],
)
def test_the_split_is_that_of_the_published_lists(tmp_path, alignment, folder, table):
    train, test = LFW(alignment).load(saved(tmp_path, folder, table))
    assert train.x_shape == (3, 64, 64)
    assert (bytes_of(train)[:, 0, 30, 30] / 20).round().tolist() == [1, 2, 1]
    assert (bytes_of(test)[:, 0, 30, 30] / 20).round().tolist() == [1, 2, 3]
    assert train.labels is test.labels is None
    assert test.preparation == {"alignment": alignment, "crop": "whole images"}


def test_another_alignment_needs_its_folder(tmp_path):
    with pytest.raises(UserError, match=r"lfw-deepfunneled is not in "):
        LFW("deepfunneled").load(saved(tmp_path))


def test_a_missing_photograph_is_named(tmp_path):
    (saved(tmp_path) / "lfw-py/lfw_funneled/Ann_Lee/Ann_Lee_0002.jpg").unlink()
    with pytest.raises(UserError, match=r"Ann_Lee_0002\.jpg is missing"):
        LFW().load(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("3\nAnn_Lee\t2\nBo_Ek\t1\n", "has 2 people, and its first line says '3'"),
        ("2\nAnn_Lee\t2\nBo_Ek\n", "line 3: a name and a number are needed"),
        ("2\nAnn_Lee\t2\nAnn_Lee\t1\n", "line 3: 'Ann_Lee' is there twice"),
        ("2\nAnn_Lee\t2\nCy_Fox\t1\n", "'Cy_Fox' is in .*Train.txt and .*Test.txt, which have no person in common"),
        ("<html>", "peopleDevTrain.txt is a web page"),
        ("", "has 0 people"),
    ],
)
def test_a_damaged_list_is_told(tmp_path, text, told):
    (saved(tmp_path) / "lfw-py" / "peopleDevTrain.txt").write_text(text)
    with pytest.raises(UserError, match=told):
        LFW().load(tmp_path)


def test_without_files_those_that_are_needed_are_named(tmp_path):
    with pytest.raises(UserError) as told:
        LFW().load(tmp_path)
    assert "peopleDevTrain.txt" in str(told.value).partition(" is not in ")[0]
    assert "download lfw-funneled.tgz (to be unpacked), peopleDevTrain.txt and peopleDevTest.txt" in str(told.value)
    assert "dataset=image_folder" in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_is_no_text_is_told(tmp_path):
    (saved(tmp_path) / "lfw-py" / "peopleDevTest.txt").write_bytes(b"1\nCy_F\xf6x\t3\n")
    with pytest.raises(UserError, match=r"peopleDevTest\.txt is no text in UTF-8; download it again"):
        LFW().load(tmp_path)


@pytest.mark.parametrize(
    ("alignment", "archive"),
    [("funneled", "lfw-funneled.tgz"), ("deepfunneled", "lfw-deepfunneled.tgz"), ("original", "lfw.tgz")],
)
def test_the_archive_of_the_alignment_is_named_and_looked_at_before_the_lists_are_asked_for(
    tmp_path, alignment, archive
):
    with pytest.raises(UserError, match=f"download {archive} "):
        LFW(alignment).load(tmp_path)
    place = tmp_path / "lfw-py"
    place.mkdir()
    (place / archive).write_text("<!DOCTYPE html>")
    with pytest.raises(UserError, match=f"{archive} is a web page"):
        LFW(alignment).load(tmp_path)
