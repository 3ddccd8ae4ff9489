"""Image files in a folder as images to score."""

import numpy as np
import pytest
import torch
from given import GREY, RGB, bytes_like, draws, every, refusal, saved, written
from PIL import Image

from vae_lab.data.given_images import GivenImages


@pytest.mark.parametrize(("images", "x_shape"), [(bytes_like(6, 8, 9), GREY), (bytes_like(6, 8, 9, 3), RGB)])
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_a_folder_and_an_array_of_the_same_images_are_equal(tmp_path, images, x_shape, suffix):
    folder = GivenImages(written(tmp_path / "folder", images, suffix), x_shape)
    array = GivenImages(saved(tmp_path, images), x_shape)
    assert len(folder) == len(array) == 6
    assert torch.equal(every(folder), every(array))
    assert "6 image files of 8×9" in folder.about["kind"]


def test_a_folder_turned_grey_is_the_array_turned_grey(tmp_path):
    images = bytes_like(6, 8, 9, 3)
    folder = GivenImages(written(tmp_path / "folder", images), GREY, channels="grey")
    assert torch.equal(every(folder), every(GivenImages(saved(tmp_path, images), GREY, channels="grey")))


def test_files_come_by_name_also_from_folders_inside(tmp_path):
    images = bytes_like(4, 8, 9)
    written(tmp_path / "folder" / "b", images[2:])
    written(tmp_path / "folder" / "a", images[:2])
    (tmp_path / "folder" / "notes.txt").write_text("no image")
    found = every(GivenImages(str(tmp_path / "folder"), GREY))
    assert torch.equal(found[:, 0], torch.from_numpy(images).float() / 255)


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("no image")
    assert "no image (.png" in refusal(str(tmp_path / "folder"))


@pytest.mark.parametrize(
    ("other", "told"), [(bytes_like(1, 9, 8), "9×8 grey"), (bytes_like(1, 8, 9, 3), "8×9 RGB")], ids=["size", "kind"]
)
def test_images_of_several_sizes_or_kinds_are_refused(tmp_path, other, told):
    folder = written(tmp_path / "folder", bytes_like(3, 8, 9))
    Image.fromarray(other[0]).save(tmp_path / "folder" / "100.png")
    message = refusal(folder)
    assert f"100.png is {told}, 000.png is 8×9 grey; make all images one size and one kind" in message


@pytest.mark.parametrize("content", ["truncated", "empty", "text"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    noise = bytes_like(3, 80, 90)
    folder = written(tmp_path / "folder", noise)
    file = tmp_path / "folder" / "001.png"
    file.write_bytes({"truncated": file.read_bytes()[:2000], "empty": b"", "text": b"no image at all"}[content])
    assert f"{file} cannot be read as an image" in refusal(folder, (1, 80, 90))


def test_a_folder_called_like_an_image_is_no_image(tmp_path):
    folder = written(tmp_path / "folder", bytes_like(3, 8, 9))
    (tmp_path / "folder" / "thumbs.png").mkdir()
    assert len(GivenImages(folder, GREY)) == 3


def test_images_of_many_bits_keep_their_grey_levels(tmp_path):
    levels = bytes_like(3, 8, 9)
    (tmp_path / "folder").mkdir()
    for i, image in enumerate(levels):
        Image.fromarray(image.astype(np.uint16) * 257).save(tmp_path / "folder" / f"{i}.png")
    found = every(GivenImages(str(tmp_path / "folder"), GREY))
    assert torch.equal(found[:, 0], torch.from_numpy(levels).float() / 255)


@pytest.mark.parametrize("mode", ["I;16B", "I", "LA", "1"])
def test_all_kinds_of_grey_files_are_grey(tmp_path, mode):
    (tmp_path / "folder").mkdir()
    image = Image.fromarray(bytes_like(1, 8, 9)[0])
    if mode.startswith("I"):
        wide = np.asarray(image).astype(">u2" if mode == "I;16B" else np.int32) * 257
        image = Image.fromarray(wide) if mode == "I" else Image.frombytes(mode, (9, 8), wide.tobytes())
    else:
        image = image.convert(mode)
    image.save(tmp_path / "folder" / ("a.tif" if mode.startswith("I") else "a.png"))
    found = every(GivenImages(str(tmp_path / "folder"), GREY, 65535 if mode == "I" else None))
    assert found.shape == (1, *GREY)
    assert found.max() == 1


def test_floating_point_files_are_read_only_with_their_range(tmp_path):
    (tmp_path / "folder").mkdir()
    image = draws(8, 9).astype(np.float32)
    Image.fromarray(image).save(tmp_path / "folder" / "a.tif")
    message = refusal(str(tmp_path / "folder"))
    assert "a.tif has values from 0 to 0.99" in message
    assert message.endswith("e.g. range=1")
    found = every(GivenImages(str(tmp_path / "folder"), GREY, 1))
    torch.testing.assert_close(found[0, 0], torch.from_numpy((image * 255).round() / 255))


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "all pixels are 0; type range=255 if the images are black"),
     (1, "above 1; type range=255 if the images are dark, or range=1 if that means white")],
)  # fmt: skip
def test_a_folder_without_a_value_above_1_is_in_doubt(tmp_path, value, told):
    folder = written(tmp_path / "folder", np.full((3, 8, 9), value, np.uint8))
    assert told in refusal(folder)
    assert every(GivenImages(folder, GREY, 1)).max() == value
