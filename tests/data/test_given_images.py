"""Arrays as images to score: layouts, values, channels."""

import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from given import GREY, RGB, bytes_like, draws, every, refusal, saved, written

from vae_lab.data.given_images import GivenImages


@pytest.mark.parametrize(
    ("shape", "x_shape", "axes", "layout"),
    [
        ((5, 8, 9), GREY, (0, 1, 2), "N, H, W"),
        ((5, 1, 8, 9), GREY, (0, 1, 2, 3), "N, C, H, W"),
        ((5, 8, 9, 1), GREY, (0, 3, 1, 2), "N, H, W, C"),
        ((5, 3, 8, 9), RGB, (0, 1, 2, 3), "N, C, H, W"),
        ((5, 8, 9, 3), RGB, (0, 3, 1, 2), "N, H, W, C"),
        ((5, 3, 8, 3), (3, 8, 3), (0, 1, 2, 3), "N, C, H, W"),
        ((5, 4, 8, 9), (4, 8, 9), (0, 1, 2, 3), "N, C, H, W"),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_layout_is_read_correctly(tmp_path, shape, x_shape, axes, layout, order):
    array = np.asarray(draws(*shape), order=order)
    given = GivenImages(saved(tmp_path, array), x_shape)
    expected = torch.from_numpy(array.transpose(axes).astype(np.float32)).reshape(5, *x_shape)
    assert torch.equal(every(given), expected)
    assert torch.equal(given.at(torch.tensor([3, 0, 3])), expected[[3, 0, 3]])
    assert layout in given.about["kind"]


@pytest.mark.parametrize("shape", [(), (5,), (5, 1, 1, 8, 9)])
def test_other_shapes_are_refused_with_those_that_are_accepted(tmp_path, shape):
    message = refusal(saved(tmp_path, np.zeros(shape)))
    assert message.endswith("; images are N × H × W, N × H × W × C, N × C × H × W, or flat")
    assert (" × ".join(map(str, shape)) or "one number") in message


@pytest.mark.parametrize("shape", [(5, 2, 8, 9), (5, 8, 9, 4), (5, 3, 9, 3), (8, 9, 5), (72, 72)])
def test_axes_that_are_not_clear_are_asked_for(tmp_path, shape):
    assert "type axes=[N," in refusal(saved(tmp_path, np.zeros(shape)))


@pytest.mark.parametrize(
    ("axes", "order"),
    [(["N", "HW"], (0, 1, 2)), (["N", "WH"], (0, 2, 1)), (["HW", "N"], (1, 2, 0)), (["W", "H", "N"], (2, 1, 0))],
)
def test_typed_axes_are_those_of_the_array(tmp_path, axes, order):
    images = draws(5, 8, 9)
    array = images.transpose(order).reshape([{"N": 5, "H": 8, "W": 9, "HW": 72, "WH": 72}[axis] for axis in axes])
    given = GivenImages(saved(tmp_path, array), GREY, axes=axes)
    assert torch.equal(every(given)[:, 0], torch.from_numpy(images).float())
    assert ", ".join(axes) in given.about["kind"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "longdouble"])
def test_floats_from_0_to_1_are_taken_as_they_are(tmp_path, dtype):
    array = draws(5, 8, 9).astype(dtype)
    given = GivenImages(saved(tmp_path, array), GREY)
    assert (given.range.black, given.range.white) == (0, 1)
    assert every(given).dtype == torch.float32
    torch.testing.assert_close(every(given)[:, 0], torch.from_numpy(array.astype(np.float32)))


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">u2", "int64", "float32"])
def test_values_up_to_255_are_bytes(tmp_path, dtype):
    array = bytes_like(5, 8, 9).astype(dtype)
    given = GivenImages(saved(tmp_path, array), GREY)
    assert (given.range.black, given.range.white) == (0, 255)
    torch.testing.assert_close(every(given)[:, 0], torch.from_numpy(array.astype(np.float32)) / 255)
    assert given.about["values"] == "values from 0 to 255, read as 0–255"


def test_black_and_white_is_0_and_1(tmp_path):
    array = draws(5, 8, 9) > 0.5
    assert torch.equal(every(GivenImages(saved(tmp_path, array), GREY))[:, 0], torch.from_numpy(array).float())


@pytest.mark.parametrize(
    ("array", "white"),
    [
        ((draws(5, 8, 9) > 0.5).astype(np.uint8), 1),
        (np.zeros((5, 8, 9), np.int64), 1),
        (np.linspace(0, 30, 360).reshape(5, 8, 9).astype(np.uint8), 30),
        (np.linspace(0, 2, 360).reshape(5, 8, 9), 2),
        (np.linspace(0, 32, 360).reshape(5, 8, 9), 32),
    ],
    ids=["bits", "black", "dark", "bright", "floats"],
)
def test_values_that_may_mean_either_are_asked_for(tmp_path, array, white):
    path, typed = saved(tmp_path, array), 1 if white == 1 else [0, white]
    shown = "1" if white == 1 else f"[0,{white}]"
    assert refusal(path).endswith(f"may mean 0–{white} or 0–255; type range={shown} or range=255")
    for asked, largest in ((typed, white), (255, 255)):
        expected = torch.from_numpy(array.astype(np.float32) / np.float32(largest))
        torch.testing.assert_close(every(GivenImages(path, GREY, asked))[:, 0], expected)


@pytest.mark.parametrize(
    ("low", "high", "offered"),
    [(-1, 1, [-1, 1]), (-128, 127, [-128, 127]), (-0.4242, 2.8215, [-0.4242, 2.8215])],
)
def test_negative_values_are_rescaled_and_never_offered_a_clamp_that_destroys_them(tmp_path, low, high, offered):
    array = np.linspace(low, high, 360).reshape(5, 8, 9)
    path = saved(tmp_path, array)
    message = refusal(path)
    assert message.endswith(f"so 0 may not mean black; type range=[{offered[0]},{offered[1]}] to rescale them")
    given = GivenImages(path, GREY, offered)
    torch.testing.assert_close(every(given).flatten(), torch.linspace(0, 1, 360), rtol=0, atol=1e-6)
    assert "would clamp them, by" in refusal(path, GREY, 1)


def test_a_range_that_is_far_too_wide_does_not_hide_what_it_clamps(tmp_path):
    path = saved(tmp_path, np.linspace(-1, 1, 360).reshape(5, 8, 9))
    assert "range=[0,255] would clamp them, by 13 % of their span" in refusal(path, GREY, 255)


def test_values_slightly_outside_of_the_range_may_be_clamped(tmp_path):
    array = np.linspace(-0.01, 0.9, 360).reshape(5, 8, 9)
    path = saved(tmp_path, array)
    assert refusal(path).endswith("to rescale them, or range=1 to clamp the few that lie outside 0–1")
    given = GivenImages(path, GREY, 1)
    torch.testing.assert_close(every(given)[:, 0], torch.from_numpy(array).float().clamp(0, 1))
    assert "(4 outside 0–1 clamped)" in given.about["values"]


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.linspace(0, 4095, 360).astype(np.uint16), "type range=[0,4095] or [0,65535]"),
        (np.linspace(0, 65535, 360).astype(np.uint16), "type range=[0,65535],"),
        (np.linspace(0, 300, 360), "type range=[0,300],"),
    ],
)
def test_values_above_255_are_asked_for(tmp_path, array, told):
    path = saved(tmp_path, array.reshape(5, 8, 9))
    assert told in refusal(path)
    given = every(GivenImages(path, GREY, [0, float(array.max())]))
    torch.testing.assert_close(given.flatten().double(), torch.from_numpy(array / array.max()))


@pytest.mark.parametrize("wrong", [[1, -1], [0, 0], [1], [0, 1, 2], -1, 0])
def test_a_range_is_black_then_white(tmp_path, wrong):
    assert "black, then white, a larger number" in refusal(saved(tmp_path, draws(5, 8, 9)), GREY, wrong)


@pytest.mark.parametrize("largest", [1, 255])
def test_rounding_errors_are_not_taken_for_another_range(tmp_path, largest):
    array = (draws(5, 8, 9) * largest).astype(np.float32)
    array[0, 0, 2], array[0, 0, 3] = largest * (1 + 1e-6), -1e-7
    given = GivenImages(saved(tmp_path, array), GREY)
    assert given.range.white == largest
    assert "clamped" not in given.about["values"]
    assert every(given).min() == 0
    assert every(given).max() == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("asked", [None, 1])
def test_an_image_that_is_not_finite_is_named_by_its_number(tmp_path, bad, asked):
    array = draws(2100, 4, 4)
    array[1501, 2, 3] = array[1700] = bad
    message = refusal(saved(tmp_path, array), (1, 4, 4), asked)
    assert "image 1501 has values that are NaN or infinite" in message


@pytest.mark.parametrize(
    "array",
    [np.array([{}, 3], object), np.array(["a", "b"]), np.zeros(3, complex), np.zeros(3, "datetime64[s]"),
     np.zeros(3, [("x", "f4")])],
    ids=["objects", "words", "complex", "dates", "fields"],
)  # fmt: skip
def test_a_file_without_an_array_of_numbers_is_refused(tmp_path, array):
    assert "numbers" in refusal(saved(tmp_path, array))


@pytest.mark.parametrize("shape", [(0, 8, 9), (0, 1, 8, 9)])
def test_an_array_without_images_is_refused(tmp_path, shape):
    assert "there is no image in it" in refusal(saved(tmp_path, np.zeros(shape)))


@pytest.mark.parametrize("damage", ["truncated", "header", "empty", "text", "archive", "pickle"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    file = Path(saved(tmp_path, draws(5, 8, 9)))
    if damage == "archive":
        np.savez(tmp_path / "several.npz", a=draws(5, 8, 9))
        (tmp_path / "several.npz").rename(file)
    elif damage == "pickle":
        torch.save(torch.zeros(5, 8, 9), file)
    else:
        whole = file.read_bytes()
        file.write_bytes({"truncated": whole[:-100], "header": whole[:40], "empty": b"", "text": b"not numpy"}[damage])
    assert f"images={file} is damaged or no .npy file (" in refusal(str(file))


@pytest.mark.parametrize("name", ["images.csv", "images.png", "images"])
def test_other_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    assert "arrays are read from .npy, .npz, .mat, .h5, .hdf5, .hdf" in refusal(str(tmp_path / name))


def test_a_path_that_is_not_there_is_named(tmp_path):
    assert "no such file or folder" in refusal(str(tmp_path / "missing"))


def test_a_large_array_is_never_read_as_a_whole(tmp_path):
    path = saved(tmp_path, draws(20_000, 1, 16, 16).astype(np.float32))  # 20 MB
    tracemalloc.start()
    given = GivenImages(path, (1, 16, 16))
    images = given.at(torch.tensor([7, 19_999]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert torch.equal(images, torch.from_numpy(np.load(path)[[7, 19_999]]))
    assert peak < 5_000_000


def test_the_range_is_taken_from_all_images(tmp_path):
    array = np.zeros((2500, 4, 4))
    array[:, 0, 0], array[2400, 1, 1] = 1, 200
    given = GivenImages(saved(tmp_path, array), (1, 4, 4))
    assert given.range.white == 255
    assert "0 to 200" in given.about["values"]


def test_images_of_another_size_are_refused(tmp_path):
    message = refusal(saved(tmp_path, draws(5, 9, 8)))
    assert "images of 9×8, the dataset's are 8×9" in message


def test_grey_images_are_repeated_where_that_is_asked_for(tmp_path):
    array = draws(5, 8, 9)
    path = saved(tmp_path, array)
    assert "1 channel, the dataset has 3; type channels=rgb to repeat the grey one" in refusal(path, RGB)
    assert "channels=rgb" in refusal(path, RGB, None, "grey")
    given = GivenImages(path, RGB, channels="rgb")
    assert every(given).shape == (5, 3, 8, 9)
    assert all(torch.equal(every(given)[:, c], torch.from_numpy(array).float()) for c in range(3))
    assert given.about["channels"] == "1 turned into 3"


def test_coloured_images_are_turned_grey_where_that_is_asked_for(tmp_path):
    array = draws(5, 8, 9, 3)
    path = saved(tmp_path, array)
    assert "3 channels, the dataset has 1; type channels=grey to turn them grey" in refusal(path)
    grey = every(GivenImages(path, GREY, channels="grey"))
    expected = 0.299 * array[..., 0] + 0.587 * array[..., 1] + 0.114 * array[..., 2]
    torch.testing.assert_close(grey[:, 0], torch.from_numpy(expected).float())
    equal = np.repeat(array[..., :1], 3, axis=3)
    same = every(GivenImages(saved(tmp_path, equal, "equal.npy"), GREY, channels="grey"))
    torch.testing.assert_close(same[:, 0], torch.from_numpy(equal[..., 0]).float())


@pytest.mark.parametrize(("shape", "x_shape", "asked"), [((5, 8, 9), GREY, "grey"), ((5, 8, 9, 3), RGB, "rgb")])
def test_a_conversion_that_does_nothing_is_refused(tmp_path, shape, x_shape, asked):
    assert refusal(saved(tmp_path, draws(*shape)), x_shape, None, asked).startswith(f"channels={asked}: ")


def test_other_numbers_of_channels_cannot_be_turned_into_each_other(tmp_path):
    assert "3 channels, the dataset has 2" in refusal(saved(tmp_path, draws(5, 3, 8, 9)), (2, 8, 9), None, "grey")


def test_the_scored_images_are_identified(tmp_path):
    images = bytes_like(3, 8, 9)
    path = saved(tmp_path, images)
    assert GivenImages(path, GREY).about["sha256"] == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    first = GivenImages(written(tmp_path / "one", images), GREY).about
    assert first["sha256"] == GivenImages(written(tmp_path / "two", images), GREY).about["sha256"]
    assert first["sha256"] != GivenImages(written(tmp_path / "three", images[::-1]), GREY).about["sha256"]
    assert first["images"] == str(tmp_path / "one")
