"""Arrays of images as a dataset: layouts and values."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of
from made_arrays import H, N, W, images, loaded, refusal, whole


@pytest.fixture(autouse=True)
def _here(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize(
    ("axes", "shape", "more"),
    [
        (None, "N1HW", {}),
        (None, "NHW", {}),
        (["N", "H", "W"], "NHW", {}),
        (["H", "W", "N"], "HWN", {}),
        (["W", "H", "N"], "WHN", {}),
        (None, "ND", {"height": H, "width": W}),
        (["N", "HW"], "ND", {"height": H}),
        (["HW", "N"], "DN", {"width": W}),
        (["N", "WH"], "NT", {"height": H, "width": W}),
        (["WH", "N"], "TN", {"height": H, "width": W}),
    ],
)
def test_every_layout_of_grey_images_is_upright(axes, shape, more):
    pixels = images()
    turned = pixels.transpose(0, 2, 1)
    arrays = {
        "N1HW": pixels[:, None], "NHW": pixels, "HWN": pixels.transpose(1, 2, 0), "WHN": turned.transpose(1, 2, 0),
        "ND": pixels.reshape(N, -1), "DN": pixels.reshape(N, -1).T,
        "NT": turned.reshape(N, -1), "TN": turned.reshape(N, -1).T,
    }  # fmt: skip
    np.save("x.npy", arrays[shape])
    assert torch.equal(whole(axes=axes, **more)[:, 0], torch.from_numpy(pixels))


@pytest.mark.parametrize(
    ("axes", "order"),
    [(None, (0, 1, 2, 3)), (None, (0, 2, 3, 1)), (["H", "W", "C", "N"], (2, 3, 1, 0)), (["N", "CHW"], None),
     (["N", "HWC"], (0, 2, 3, 1))],
)  # fmt: skip
def test_every_layout_of_coloured_images_is_upright(axes, order):
    pixels = images(N, 3, H, W)
    array = pixels if order is None else pixels.transpose(order)
    flat = axes is not None and len(axes) == 2
    np.save("x.npy", array.reshape(N, -1) if flat else array)
    assert torch.equal(whole(axes=axes, **({"height": H, "width": W} if flat else {})), torch.from_numpy(pixels))


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [
        ((560, 196), {}, "type dataset.source.axes=[N,HW] (each row is an image) or [HW,N] (each column is)"),
        ((560, 19), {"height": 28, "width": 20}, "type dataset.source.axes=[N,HW]"),
        ((20, 21), {"height": 5, "width": 4}, "type dataset.source.axes=[N,HW]"),
        ((20, 20), {"height": 5, "width": 4}, "type dataset.source.axes=[N,HW]"),
        ((9, 20), {"axes": ["N", "HW"]}, "axis HW has 20 values, which must be the product of H and W; type dataset"),
        ((9, 20), {"axes": ["N", "HW"], "height": 3}, "axis HW has 20 values"),
        ((9, 20), {"axes": ["N", "HW"], "height": 5, "width": 5}, "axis HW has 20 values"),
        ((5, 6, 90), {}, "type dataset.source.axes=[N,H,W] or [H,W,N]"),
        ((5, 6, 3, 90), {}, "type dataset.source.axes=[N,H,W,C] or [N,C,H,W] or [H,W,C,N]"),
        ((90, 3, 5, 3), {}, "type dataset.source.axes=[N,H,W,C] or"),
        ((90, 5, 6, 4), {"axes": ["N", "H", "W", "C"]}, "4 channels; an image has 1 (grey) or 3 (RGB)"),
        ((90, 5, 6), {"axes": ["N", "H"]}, "axes=[N,H]: N, H and W are needed once each"),
        ((90, 5, 6), {"axes": ["NH", "W"]}, "N alone"),
        ((90, 5, 6), {"axes": ["N", "H", "H"]}, "N, H and W are needed once each"),
        ((90, 5, 6), {"axes": ["N", "HW"]}, "axes=[N,HW]: dataset.source.path=x.npy has 3 axes, 90 × 5 × 6"),
        ((90, 5, 6), {"height": 7}, "height=7: the images of dataset.source.path=x.npy are 5×6; leave it out"),
        ((90,), {}, "an array of 90; images are N × H × W"),
        ((0, 5, 6), {"axes": ["N", "H", "W"]}, "there is no image in it"),
        ((2, 5, 1), {}, "2 images; at least 3 are needed"),
    ],
)
def test_shapes_that_are_unclear_or_wrong_are_told(shape, options, told):
    np.save("x.npy", np.full(shape, 99, np.uint8))
    assert told in refusal(**options)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, ">u2", np.float32])
def test_values_up_to_255_are_bytes(dtype):
    np.save("x.npy", images().astype(dtype))
    assert torch.equal(whole()[:, 0], torch.from_numpy(images()))


@pytest.mark.parametrize(
    ("low", "high", "typed", "dtype"),
    [
        (0, 1, None, np.float32),
        (0, 1, None, np.float16),
        (-1, 1, [-1, 1], np.float64),
        (0, 65535, 65535, np.uint16),
        (0, 4095, [0, 4095], np.int32),
        (-7, 3, [-7, 3], np.float32),
    ],
)
def test_other_ranges_are_scaled_to_bytes(low, high, typed, dtype):
    levels = np.tile(np.linspace(0, 255, 18), (5, 1)).reshape(5, 3, 6).round().astype(np.uint8)
    levels[:, 0, 0] = np.arange(5)
    np.save("x.npy", (low + (high - low) * levels.astype(np.float64) / 255).astype(dtype))
    options = {"range": typed, "axes": ["N", "H", "W"]}
    difference = whole(**options)[:, 0].int() - torch.from_numpy(levels).int()
    assert difference.abs().max() <= 1
    if typed:
        assert "type dataset.source.range=[" in refusal(axes=["N", "H", "W"])


def test_rounding_to_bytes_is_told():
    np.save("x.npy", images())
    assert loaded()[0].notes == ()
    np.save("x.npy", images() / 255)
    assert loaded()[0].notes == ("x.npy has float64 values from 0 to 1, read as 0–1, rounded to 256 grey levels.",)


def test_booleans_are_black_and_white():
    np.save("x.npy", images() > 99)
    train, test = loaded()
    assert set(torch.cat([bytes_of(train), bytes_of(test)]).unique().tolist()) == {0, 255}


def test_bytes_of_0_and_1_are_asked_for_and_made_black_and_white():
    np.save("x.npy", (images() > 99).astype(np.uint8))
    assert "may mean 0–1 or 0–255; type dataset.source.range=1 or dataset.source.range=255" in refusal()
    assert set(bytes_of(loaded(range=1)[0]).unique().tolist()) == {0, 255}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_image_that_is_not_finite_is_named(bad):
    array = images() / 255
    array[7, 2, 2] = bad
    np.save("x.npy", array)
    assert "image 7 has values that are NaN or infinite" in refusal()


def test_a_clamp_that_destroys_is_refused():
    np.save("x.npy", np.linspace(-1, 1, N * H * W).reshape(N, H, W))
    assert "so 0 may not mean black; type dataset.source.range=[-1,1] to rescale them" in refusal()
    assert "would clamp them, by" in refusal(range=1)
    assert bytes_of(loaded(range=[-1, 1])[0]).float().mean() == pytest.approx(127, abs=15)


@pytest.mark.parametrize("memory", [1, 1e-9])
@pytest.mark.parametrize("order", ["C", "F"])
def test_large_arrays_are_mapped_and_hold_the_same(memory, order):
    np.save("x.npy", np.asarray(images(), order=order))
    assert torch.equal(whole(memory_gb=memory)[:, 0], torch.from_numpy(images()))
    cached = list((Path(os.environ["VAE_LAB_CACHE"]) / "images").glob("*.npy"))
    assert len(cached) == (1 if memory < 1 and order == "F" else 0)  # bytes in order are mapped from the file itself
    np.save("x.npy", 255 - np.asarray(images(), order=order))
    assert not torch.equal(whole(memory_gb=memory)[:, 0], torch.from_numpy(images()))
