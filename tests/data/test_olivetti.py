import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from helpers import bytes_of

from vae_lab.data.olivetti import Olivetti
from vae_lab.errors import UserError

FACES = np.random.default_rng(0).integers(0, 256, (50, 64, 64), np.uint8)  # five people
REAL = Path(os.environ.get("VAE_LAB_DATA", "nowhere")) / "olivetti"


def saved(root: Path, kind: str) -> Path:
    (root / "olivetti").mkdir(parents=True, exist_ok=True)
    if kind == "mat":  # each column is an image, pixel column by pixel column
        scipy.io.savemat(
            root / "olivetti" / "olivettifaces.mat", {"faces": FACES.transpose(0, 2, 1).reshape(50, 4096).T}
        )
    else:
        person = (np.arange(50) // 10).astype(np.uint8)
        np.savez(root / "olivetti" / "olivetti_64x64_u8.npz", images=FACES, person=person)
    return root


@pytest.mark.parametrize("kind", ["mat", "npz"])
def test_each_file_gives_the_photographs_upright_with_two_of_each_person_held_out(tmp_path, kind):
    train, test = Olivetti().load(saved(tmp_path, kind))
    assert torch.bincount(train.labels).tolist() == [8] * 5
    assert torch.bincount(test.labels).tolist() == [2] * 5
    assert train.classes[4] == "person 5"
    for part in (train, test):
        assert np.array_equal(bytes_of(part)[:, 0], FACES[part.chosen])
        assert torch.equal(part.labels, part.chosen // 10)


def test_people_are_held_out_without_labels(tmp_path):
    train, test = Olivetti(split="people").load(saved(tmp_path, "mat"))
    assert test.chosen.tolist() == list(range(40, 50))
    assert len(train) == 40
    assert train.labels is test.labels is None


def test_another_number_of_people_than_of_images_is_refused(tmp_path):
    (tmp_path / "olivetti").mkdir()
    np.savez(tmp_path / "olivetti" / "olivetti_64x64_u8.npz", images=FACES, person=np.zeros(7, np.uint8))
    with pytest.raises(UserError, match=r"has 50 images and 7 numbers of people; repair it"):
        Olivetti().load(tmp_path)


def test_a_truncated_file_is_told(tmp_path):
    file = saved(tmp_path, "npz") / "olivetti" / "olivetti_64x64_u8.npz"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"dataset=olivetti: .*olivetti_64x64_u8\.npz is damaged or no \.npz file"):
        Olivetti().load(tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason="VAE_LAB_DATA has no olivetti/")
@pytest.mark.parametrize("name", ["olivettifaces.mat", "olivetti_64x64_u8.npz"])
def test_the_published_photographs_are_40_people(tmp_path, name):
    (tmp_path / name).symlink_to(REAL / name)
    train, test = Olivetti().load(tmp_path)
    assert (len(train), len(test), len(train.classes)) == (320, 80, 40)
    assert int(train.stored.int().sum()) == 216_898_402
    assert train.stored[0, 0, 0, :3].tolist() == [75, 89, 101]


def of_people(root: Path, person: object) -> Path:
    (root / "olivetti").mkdir()
    np.savez(root / "olivetti" / "olivetti_64x64_u8.npz", images=FACES, person=np.asarray(person))
    return root


@pytest.mark.parametrize("person", [["a"] * 50, np.arange(50) / 4, [np.nan] * 50])
def test_people_who_are_no_whole_numbers_are_refused(tmp_path, person):
    with pytest.raises(UserError, match=r"person holds .* values, and whole numbers are needed; repair it$"):
        Olivetti().load(of_people(tmp_path, person))


def test_a_split_that_leaves_nothing_for_training_is_refused(tmp_path):
    root = of_people(tmp_path, np.arange(50))
    with pytest.raises(UserError, match=r"has 1 photograph of a person, .*; type dataset\.source\.split=people"):
        Olivetti().load(root)
    assert [len(part) for part in Olivetti(split="people").load(root)] == [40, 10]
    np.savez(root / "olivetti" / "olivetti_64x64_u8.npz", images=FACES, person=np.zeros(50))
    with pytest.raises(UserError, match=r"has one person, and split=people needs two"):
        Olivetti(split="people").load(root)


def test_a_web_page_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / "olivettifaces.mat").write_bytes("<!DOCTYPE html>".encode("utf-16"))
    with pytest.raises(UserError, match=r"olivettifaces\.mat is a web page \(HTML\) saved under this name"):
        Olivetti().load(tmp_path)
