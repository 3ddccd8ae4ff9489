import math
from pathlib import Path

import pytest
import torch
from helpers import GivenSource, bytes_of
from PIL import Image

from vae_lab.data.dataset import Dataset
from vae_lab.data.dsprites import DSprites
from vae_lab.data.image_folder import ImageFolder
from vae_lab.data.sprites import ATTRIBUTES, Sprites, factor_attributes
from vae_lab.errors import UserError
from vae_lab.examples import Examples


def folder_of(root: Path, table: str, files: tuple[str, ...] = ("a.png", "b.png", "c.png", "d.png")) -> Path:
    """A folder with a table of attributes, in which all pixels of image i have the value 10 · i."""
    for i, name in enumerate(files):
        (root / "pics" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 10 * i).save(root / "pics" / name)
    (root / "pics" / "attributes.csv").write_text(table)
    return root / "pics"


def load(root: Path, table: str, **more) -> tuple[Examples, Examples]:
    return ImageFolder(str(folder_of(root, table, **more)), test_share=0.25).load(root)


def test_a_table_beside_the_images_gives_their_attributes_whatever_its_order(tmp_path):
    parts = load(tmp_path, "file,smile,age\nd.png,0.3,3\nc.png,0.2,2\nb.png,0.1,1\na.png,0,0\n")
    for part in parts:
        grey = bytes_of(part)[:, 0, 0, 0] / 10
        torch.testing.assert_close(part.y, torch.stack([grey / 10, grey.float()], 1))
        assert part.attributes == ("smile", "age")
        assert part.labels is None
        assert part.classes == ()
    assert [len(part) for part in parts] == [3, 1]


def test_attributes_take_the_place_of_class_folders_and_hold_for_train_and_test_folders(tmp_path):
    files = ("train/ape/1.png", "train/cat/2.png", "test/cat/3.png")
    rows = "".join(f"{name},{i}\n" for i, name in enumerate(files))
    train, test = load(tmp_path, f"file,number\n{rows}", files=files)
    assert (train.y.tolist(), test.y.tolist()) == ([[0], [1]], [[2]])
    assert train.classes == ()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("file,age\na.png,1\nb.png,1\nc.png,1\n", "no row for d.png"),
        ("image,age\na.png,1\n", "must begin with the line file,<attribute>"),
        ("file\na.png\n", "must begin with the line file,<attribute>"),
        ("", "must begin with the line file,<attribute>"),
        ("file,age\na.png,old\n", "line 2: 'a.png,old' is not a file and 1 finite numbers"),
        ("file,age\na.png,1\nb.png,nan\n", "line 3"),
        ("file,age\na.png,1,2\n", "line 2"),
        ("file,age\n\n", "no row for "),
    ],
)
def test_a_table_that_does_not_fit_is_reported_with_its_line(tmp_path, table, told):
    with pytest.raises(UserError, match=r"attributes\.csv") as refused:
        load(tmp_path, table)
    assert told in str(refused.value)


def test_factors_of_sprites_are_attributes_between_0_and_1_and_a_point_on_the_circle():
    known = factor_attributes((3, 6, 4, 2, 2), 2 * math.pi * torch.arange(4) / 4)
    assert known.shape == (3 * 6 * 4 * 2 * 2, len(ATTRIBUTES))
    torch.testing.assert_close(known[0], torch.tensor([1, 0, 0, 0, 0, 1, 0, 0.0]))
    torch.testing.assert_close(known[-1], torch.tensor([0, 0, 1, 1, -1, 0, 1, 1.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(known[1] - known[0], torch.tensor([0, 0, 0, 0, 0, 0, 0, 1.0]))  # y changes fastest
    torch.testing.assert_close(known[16 * 2 + 4, :6], torch.tensor([1, 0, 0, 0.4, 1, 0]), atol=1e-6, rtol=0)


def test_sprites_with_factors_are_the_same_images_with_other_y(tmp_path):
    plain, told = (Sprites(2, 2, labels).load(tmp_path) for labels in ("shape", "factors"))
    for before, after in zip(plain, told):
        assert torch.equal(bytes_of(before), bytes_of(after))
        assert after.labels is None
        assert torch.equal(after.y[:, :3].argmax(1), before.labels)
    assert plain[0].attributes == ()
    assert DSprites("factors").labels == "factors"


def test_data_with_attributes_has_their_number_as_y_size():
    data = Dataset("sprites", Sprites(2, 2, "factors"), Path(), 8, 0)
    assert data.y_size == 8
    assert data.attributes == ATTRIBUTES
    assert data.classes == ()
    batch = next(data.batches("test", 5))
    assert batch.y.shape == (5, 8)


def test_data_without_labels_has_no_y():
    images = Examples(torch.zeros(20, 1, 8, 8, dtype=torch.uint8), None)
    data = Dataset("plain", GivenSource(images, images), Path(), 8, 0)
    assert data.y_size == 0
    assert data.train.y is None


def test_a_table_that_is_no_text_or_has_a_column_twice_is_refused(tmp_path):
    folder = folder_of(tmp_path, "file,smile,smile\na.png,1,2\n")
    with pytest.raises(UserError, match=r"attributes\.csv has two columns 'smile'"):
        ImageFolder(str(folder)).load(tmp_path)
    (folder / "attributes.csv").write_bytes(b"file,smile\na\xff.png,1\n")
    with pytest.raises(UserError, match=r"attributes\.csv is no table of text in UTF-8"):
        ImageFolder(str(folder)).load(tmp_path)
