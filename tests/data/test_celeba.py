import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of
from PIL import Image

from vae_lab.data.celeba import CelebA
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError

NAMES = [f"Attribute_{i}" for i in range(40)]
N, SPLITS = 12, [0] * 7 + [1] * 2 + [2] * 3
FILES = [f"{i + 1:06d}.jpg" for i in range(N)]
VALUES = np.where((np.arange(N)[:, None] + np.arange(40)) % 3 == 0, 1, -1)


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))


def photograph(i: int) -> Image.Image:
    """Grey level 10·i in its central 148×148 and white around, red at the top."""
    pixels = np.full((218, 178, 3), 255, np.uint8)
    pixels[35:183, 15:163] = 10 * i
    pixels[35:72, 15:163, 0] = 255
    return Image.fromarray(pixels)


def of_the_authors(root: Path, images="img_align_celeba", attributes=".", partition=".") -> Path:
    """The lists as they were published: a count, a header that ends with a space, runs of spaces."""
    folder = root / "celeba"
    for place in (images, attributes, partition):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(FILES):
        photograph(i).save(folder / images / name, quality=95)
    rows = [f"{name} {' '.join(f'{v:2d}' for v in row)}" for name, row in zip(FILES, VALUES)]
    (folder / attributes / "list_attr_celeba.txt").write_text("\n".join([str(N), " ".join(NAMES) + " ", *rows]) + "\n")
    parts = [f"{name} {split}" for name, split in zip(FILES, SPLITS)]
    (folder / partition / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")
    return root


def of_kaggle(root: Path) -> Path:
    """Tables with commas; the folder of images lies in another one of its name."""
    of_the_authors(root, images="img_align_celeba/img_align_celeba")
    folder = root / "celeba"
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        (folder / name).unlink()
    rows = [",".join([name, *map(str, row)]) for name, row in zip(FILES, VALUES)]
    (folder / "list_attr_celeba.csv").write_text("\n".join([",".join(["image_id", *NAMES]), *rows]) + "\n")
    parts = [f"{name},{split}" for name, split in zip(FILES, SPLITS)]
    (folder / "list_eval_partition.csv").write_text("\n".join(["image_id,partition", *parts]) + "\n")
    folder.rename(root / "celeba-dataset")
    return root


def of_the_page(root: Path) -> Path:
    return of_the_authors(root, "Img/img_align_celeba", "Anno", "Eval")


@pytest.fixture
def root(tmp_path) -> Path:
    return of_the_authors(tmp_path)


def refusal(root: Path) -> str:
    with pytest.raises(UserError) as told:
        CelebA().load(root)
    line = str(told.value)
    assert line.startswith("dataset=celeba: ")
    assert "\n" not in line
    return line


@pytest.mark.parametrize("layout", [of_the_authors, of_kaggle, of_the_page])
def test_each_layout_gives_the_published_split_and_attributes_of_0_and_1(tmp_path, layout):
    data = Dataset("celeba", CelebA(), layout(tmp_path), batch_size=2, seed=0)
    assert (len(data.train), len(data.val), len(data.test)) == (7, 2, 3)
    assert (bytes_of(data.val)[:, 1, 60, 32].float() / 10).round().tolist() == [7, 8]
    assert (bytes_of(data.test)[:, 1, 60, 32].float() / 10).round().tolist() == [9, 10, 11]
    assert data.attributes == tuple(NAMES)
    expected = torch.from_numpy(VALUES > 0).float()
    assert torch.equal(data.test.y, expected[9:])
    assert torch.equal(data.train.y, expected[:7])


def test_the_centre_is_scaled_and_upright(root):
    train, _ = CelebA().load(root)
    images = bytes_of(train).int()
    assert images.shape == (9, 3, 64, 64)
    assert (images[5, 1] - 50).abs().max() < 30  # nothing of the white margin
    assert images[5, 0, :14].min() > 200  # the red band is at the top of the first channel
    assert images[5, 0, 20:].max() < 90


@pytest.mark.parametrize(
    ("crop", "box"), [(148, (15, 35, 163, 183)), (140, (19, 39, 159, 179)), (None, (0, 20, 178, 198))]
)
def test_the_bytes_are_those_of_the_crop_scaled_by_pillow(root, crop, box):
    _, test = CelebA(crop=crop).load(root)
    with Image.open(root / "celeba" / "img_align_celeba" / FILES[9]) as image:
        expected = np.asarray(image.crop(box).resize((64, 64), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(bytes_of(test)[0], expected)
    assert test.preparation == {"crop": crop or "whole images"}


def test_a_crop_larger_than_the_images_is_refused(root):
    with pytest.raises(
        UserError, match=r"dataset\.source\.crop=200: .*000001\.jpg has only 178×218 pixels; type .*crop=178"
    ):
        CelebA(crop=200).load(root)


def test_images_that_do_not_fit_are_decoded_once_into_the_cache(root, monkeypatch):
    small, _ = CelebA().load(root)
    source = CelebA(memory_gb=1e-9)
    mapped, _ = source.load(root)
    assert torch.equal(bytes_of(small), bytes_of(mapped))
    monkeypatch.setattr("vae_lab.data.listed_images.Decoding._decode", None)
    assert torch.equal(bytes_of(source.load(root)[0]), bytes_of(mapped))


def test_missing_images_are_counted_and_others_are_left_out_with_a_note(root):
    folder = root / "celeba" / "img_align_celeba"
    (folder / "000003.jpg").rename(folder / "cat.jpg")
    assert "lacks 1 of the 12 images of list_attr_celeba, the first being 000003.jpg" in refusal(root)
    photograph(2).save(folder / "000003.jpg")
    train, _ = CelebA().load(root)
    assert len(train) == 9
    assert "1 image of " in train.notes[0]
    assert "left out, because no list has them" in train.notes[0]


@pytest.mark.parametrize("name", ["list_attr_celeba", "list_eval_partition", "img_align_celeba"])
def test_what_is_missing_is_named_with_what_to_download(root, name):
    path = root / "celeba" / (name if name == "img_align_celeba" else f"{name}.txt")
    path.rename(root / "away")
    line = refusal(root)
    assert f"{name}" in line.partition(" is not in ")[0]
    assert "download img_align_celeba.zip (to be unpacked), list_attr_celeba.txt and list_eval_partition.txt" in line


def test_a_web_page_saved_as_the_archive_is_named(root):
    (root / "celeba" / "img_align_celeba").rename(root / "away")
    archive = root / "celeba" / "img_align_celeba.zip"
    archive.write_text("<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>")
    assert "img_align_celeba.zip is a web page (HTML) saved under this name" in refusal(root)


def test_a_truncated_archive_is_the_reason_for_missing_images(root):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("img_align_celeba/000001.jpg", b"x" * 5000)
    archive_file = root / "celeba" / "img_align_celeba.zip"
    archive_file.write_bytes(packed.getvalue()[:3000])
    (root / "celeba" / "img_align_celeba" / "000012.jpg").unlink()
    assert "img_align_celeba.zip is truncated or no zip archive; download it again" in refusal(root)
    archive_file.write_bytes(packed.getvalue())
    assert "lacks 1 of the 12 images" in refusal(root)
    (root / "celeba" / "img_align_celeba").rename(root / "away")
    assert "img_align_celeba.zip is still packed; unpack it" in refusal(root)


DAMAGE = {
    "the count": ("attr", lambda text: text.replace("12\n", "13\n", 1), "has 12 rows; its first line says 13"),
    "no count": ("attr", lambda text: text.partition("\n")[2], "does not begin with the number of images"),
    "a short row": ("attr", lambda text: text.rstrip().rpartition(" ")[0], "line 14: '000012.jpg' and 40 numbers are"),
    "a word": ("attr", lambda text: text.replace("-1", "no", 1), "line 3: '000001.jpg' and 40 numbers are needed"),
    "a number": ("attr", lambda text: text.replace("-1", "-7", 1), "has values other than −1, 0 and 1"),
    "a part less": ("eval", lambda text: text.rstrip().rpartition("\n")[0], "has 11 rows and none for 1 of the 12"),
    "a part 3": ("eval", lambda text: text.replace(" 1", " 3"), "has parts other than 0, 1 and 2"),
    "no test images": ("eval", lambda text: text.replace(" 2", " 1"), "has no test images (2)"),
    "a page": ("eval", lambda _: "<!DOCTYPE html>\n<html>", "list_eval_partition.txt is a web page (HTML)"),
    "a page in XML": ("attr", lambda _: "\ufeff<?xml version='1.0'?><html>", "attr_celeba.txt is a web page (HTML)"),
    "a column twice": ("attr", lambda text: text.replace("Attribute_7 ", "Attribute_6 "), "two columns 'Attribute_6'"),
    "an image twice": ("attr", lambda text: text.replace("000002", "000001"), "line 4: '000001.jpg' is there twice"),
    "nothing": ("eval", lambda _: "", "has 0 rows"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_list_is_told(root, damage):
    which, changed, told = DAMAGE[damage]
    file = root / "celeba" / {"attr": "list_attr_celeba.txt", "eval": "list_eval_partition.txt"}[which]
    file.write_text(changed(file.read_text()))
    line = refusal(root)
    assert told in line
    assert str(file) in line
    assert "\n" not in line


def test_an_image_that_is_a_page_is_named(root):
    (root / "celeba" / "img_align_celeba" / "000004.jpg").write_text("<!DOCTYPE html>")
    with pytest.raises(UserError, match=r"000004\.jpg cannot be read as an image \(it holds no image\)"):
        CelebA().load(root)


def test_a_folder_in_the_place_of_a_list_is_told(root):
    file = root / "celeba" / "list_attr_celeba.txt"
    file.unlink()
    file.mkdir()
    assert "list_attr_celeba.txt is a folder, and a file is needed; download it again" in refusal(root)


def test_a_file_in_the_place_of_the_folder_and_an_archive_of_another_kind_are_told(root):
    images = root / "celeba" / "img_align_celeba"
    images.rename(root / "away")
    images.write_text("")
    assert "img_align_celeba is a file, and a folder is needed" in refusal(root)
    images.rename(images.with_suffix(".7z"))
    assert "img_align_celeba.7z is empty" in refusal(root)
    images.with_suffix(".7z").write_bytes(b"7z")
    assert "img_align_celeba.7z is still packed; unpack it" in refusal(root)
