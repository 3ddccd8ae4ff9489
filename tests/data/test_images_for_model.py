"""Images of any size and mode for a model: they become what they would be in its dataset."""

import numpy as np
import pytest
import torch
from given import bytes_like
from PIL import Image

from vae_lab.data.celeba import CelebA
from vae_lab.data.image_bytes import pixels_of
from vae_lab.data.image_folder import ImageFolder
from vae_lab.data.images_for_model import Reading, images_for_model
from vae_lab.data.mvtec import MVTec
from vae_lab.data.omniglot import Omniglot
from vae_lab.errors import UserError

GREY, RGB = (1, 8, 8), (3, 64, 64)


def picture(path, *shape, suffix=".png"):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(bytes_like(*shape)).save(path)
    return path


def every(given):
    return given.read(range(len(given)))


def refusal(*args, **more):
    with pytest.raises(UserError) as refused:
        images_for_model(*args, **more)
    return str(refused.value)


def test_images_of_the_shape_are_taken_as_they_are(tmp_path):
    picture(tmp_path / "b.png", 8, 8)
    picture(tmp_path / "sub/a.png", 8, 8)
    given = images_for_model(str(tmp_path), GREY)
    assert (given.names, given.notes) == (["b.png", "sub/a.png"], [])
    assert given.folders == [tmp_path.name, "sub"]
    assert every(given).equal(torch.from_numpy(bytes_like(8, 8)).float().expand(2, 1, 8, 8) / 255)


def test_other_sizes_and_modes_become_what_a_folder_of_images_makes_of_them(tmp_path):
    for i in range(6):
        picture(tmp_path / f"{i}.png", 20, 13, 3)
    train, _ = ImageFolder(str(tmp_path), height=8, channels=1).load(tmp_path)
    given = images_for_model(str(tmp_path), GREY)
    assert every(given)[0].equal(train.stored[0].float() / 255)
    assert given.notes == ["6 of 6 images were brought to 8×8 grey like the images of this run (" +
                           f"{tmp_path / '0.png'} is 20×13 RGB)."]  # fmt: skip


def test_a_single_file_is_a_set_of_one(tmp_path):
    path = picture(tmp_path / "a.png", 8, 8)
    given = images_for_model(str(path), GREY)
    assert (given.names, len(given)) == (["a.png"], 1)


def test_the_square_of_the_dataset_is_cut_out_first_unless_the_image_has_the_shape_already(tmp_path):
    path = picture(tmp_path / "face.png", 218, 178, 3)
    image = Image.fromarray(bytes_like(218, 178, 3)).crop((15, 35, 163, 183))
    found = every(images_for_model(str(path), RGB, CelebA()))
    assert found[0].equal(torch.from_numpy(pixels_of(image, *RGB).copy()).float() / 255)
    own = every(images_for_model(str(picture(tmp_path / "own.png", 64, 64, 3)), RGB, CelebA()))
    assert own[0].equal(torch.from_numpy(bytes_like(64, 64, 3)).permute(2, 0, 1).float() / 255)
    small = picture(tmp_path / "small.png", 100, 120, 3)
    assert refusal(str(small), RGB, CelebA()).startswith(
        f"{small} is 100×120, smaller than dataset.source.crop=148, the side of the square that is cut out"
    )


def test_strokes_are_inverted_as_in_the_dataset(tmp_path):
    Image.fromarray(np.full((105, 105), 255, np.uint8)).save(tmp_path / "paper.png")
    assert every(images_for_model(str(tmp_path), (1, 28, 28), Omniglot())).max() == 0


def test_transparency_and_ranges_are_read_as_in_the_dataset_unless_they_are_typed(tmp_path):
    Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(tmp_path / "a.png")
    folder = str(tmp_path)
    assert "type background=white or background=black" in refusal(folder, (3, 8, 8))
    for source in (ImageFolder(folder, background="white"), MVTec("bottle", 8, 8, background="white")):
        assert every(images_for_model(folder, (3, 8, 8), source)).min() == 1
    black = Reading(background="black", range=255)
    assert every(images_for_model(folder, (3, 8, 8), source, black)).max() == 0


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 1, 8, 8)])
def test_arrays_of_the_shape_keep_their_values(tmp_path, shape):
    np.save(tmp_path / "x.npy", np.linspace(0, 1, 320, dtype=np.float32).reshape(shape))
    given = images_for_model(str(tmp_path / "x.npy"), GREY)
    assert every(given).flatten().equal(torch.from_numpy(np.linspace(0, 1, 320, dtype=np.float32)))
    assert (given.names, given.folders) == (["0", "1", "2", "3", "4"], [])


def test_other_arrays_are_scaled_as_files_are(tmp_path):
    image = bytes_like(20, 13, 3)
    np.save(tmp_path / "x.npy", np.stack([image, image]))
    picture(tmp_path / "file.png", 20, 13, 3)
    array = images_for_model(str(tmp_path / "x.npy"), GREY)
    assert every(array)[1].equal(every(images_for_model(str(tmp_path / "file.png"), GREY))[0])
    assert "x.npy was brought to 8×8 grey like the images of this run (from 20×13 RGB)." in array.notes[0]


def test_what_cannot_be_brought_to_the_shape_is_refused_in_one_line(tmp_path):
    path = str(picture(tmp_path / "a.png", 8, 8))
    assert refusal(path, (2, 8, 8)) == f"{path}: this run has images of 2 channels, which only an array can hold"
    np.save(tmp_path / "x.npy", np.zeros((5, 2, 9, 9), np.float32))
    array = str(tmp_path / "x.npy")
    assert "type axes=" in refusal(array, (2, 8, 8))
    told = refusal(array, (2, 8, 8), reading=Reading(axes=["N", "C", "H", "W"]))
    assert told == f"images={array}: images of 2 channels cannot be scaled; only grey and RGB ones can"
    assert refusal("nowhere", GREY, called="a").startswith("a=nowhere: no such file or folder; type a=<folder")
    assert refusal(path, GREY, reading=Reading(array="x")).endswith("leave array= and axes= out")
    assert refusal(array, GREY, reading=Reading(background="white")).endswith("leave it out")
