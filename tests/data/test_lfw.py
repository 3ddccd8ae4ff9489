import hashlib
from pathlib import Path

import pytest
from helpers import bytes_of
from PIL import Image
from torchvision import datasets

from vae_lab.data.lfw import LFW
from vae_lab.errors import UserError

PEOPLE = {"train": {"Ann_Lee": 2, "Bo_Ek": 1}, "test": {"Cy_Fox": 3}}


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """The published layout: image k of a person is grey level 20·k."""
    folder = tmp_path / "lfw-py"
    texts = {"lfw-funneled.tgz": "archive", "lfw-names.txt": ""}
    for split, people in PEOPLE.items():
        texts[f"peopleDev{split.capitalize()}.txt"] = "\n".join(
            [str(len(people)), *(f"{p}\t{n}" for p, n in people.items())]
        )
        texts["lfw-names.txt"] += "".join(f"{person}\t{n}\n" for person, n in people.items())
        for person, count in people.items():
            (folder / "lfw_funneled" / person).mkdir(parents=True)
            for k in range(1, count + 1):
                image = Image.new("RGB", (250, 250), (20 * k,) * 3)
                image.save(folder / "lfw_funneled" / person / f"{person}_{k:04d}.jpg")
    for name, text in texts.items():
        (folder / name).write_text(text)
    sums = {name: hashlib.md5(text.encode()).hexdigest() for name, text in texts.items()}
    monkeypatch.setattr(datasets.LFWPeople, "checksums", sums)
    archives = {"funneled": ("lfw_funneled", "lfw-funneled.tgz", sums["lfw-funneled.tgz"])}
    monkeypatch.setattr(datasets.LFWPeople, "file_dict", datasets.LFWPeople.file_dict | archives)
    return tmp_path


def test_the_split_is_that_of_the_published_lists(root):
    train, test = LFW().load(root)
    assert train.x_shape == (3, 64, 64)
    assert (bytes_of(train)[:, 0, 30, 30] / 20).round().tolist() == [1, 2, 1]
    assert (bytes_of(test)[:, 0, 30, 30] / 20).round().tolist() == [1, 2, 3]
    assert train.labels is test.labels is None


@pytest.mark.parametrize("alignment", ["deepfunneled", "original"])
def test_another_alignment_needs_its_archive(root, alignment):
    archive = {"deepfunneled": "lfw-deepfunneled.tgz", "original": "lfw.tgz"}[alignment]
    with pytest.raises(UserError, match=f"incomplete or damaged .*; {archive}, the folder "):
        LFW(alignment).load(root)


def test_without_files_those_that_are_needed_are_named(tmp_path):
    with pytest.raises(UserError) as told:
        LFW().load(tmp_path)
    assert "could not be downloaded (its authors no longer offer it)" in str(told.value)
    assert "put lfw-funneled.tgz, the folder lfw_funneled that is in it, peopleDevTrain.txt" in str(told.value)
    assert "dataset=image_folder" in str(told.value)
    assert list(tmp_path.iterdir()) == []
