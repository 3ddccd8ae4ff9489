import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from helpers import bytes_of

from vae_lab.data.arrays import Arrays
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError

N, H, W = 21, 5, 4


def images(*shape: int) -> np.ndarray:
    """Random bytes; the first pixel of each image is its position, and the second one is white."""
    pixels = np.random.default_rng(0).integers(0, 256, shape or (N, H, W), np.uint8)
    flat = pixels.reshape(len(pixels), -1)
    flat[:, 0], flat[:, 1] = np.arange(len(pixels)), 255
    return pixels


@pytest.fixture(autouse=True)
def _here(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))


def loaded(path: str = "x.npy", **options):
    return Arrays(path, **options).load(Path("root"))


def whole(path: str = "x.npy", **options) -> torch.Tensor:
    """All images, in the order of the file if their first pixel counts them."""
    train, test = loaded(path, **options)
    both = torch.cat([bytes_of(train), bytes_of(test)])
    return both[both.flatten(1)[:, 0].argsort()]


def refusal(path: str = "x.npy", **options) -> str:
    with pytest.raises(UserError) as told:
        loaded(path, **options)
    assert "\n" not in str(told.value)
    return str(told.value)


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


def test_a_file_is_found_here_or_in_data_dir():
    Path("root").mkdir()
    np.save("root/x.npy", images())
    assert len(loaded()[0]) == 19
    assert "no such file here or in root; type a file .npy, .npz" in refusal("y.npy")
    assert "is a folder; for image files, type dataset=image_folder" in refusal("root")


def test_the_array_of_images_is_the_only_one_that_can_be_meant():
    np.savez("x.npz", pictures=images(), kind=np.arange(N) % 3, place=np.zeros((N, 2)))
    train, test = loaded("x.npz", labels="kind")
    assert train.labels.tolist() == [i % 3 for i in bytes_of(train).flatten(1)[:, 0].tolist()]
    assert test.labels.tolist() == [i % 3 for i in bytes_of(test).flatten(1)[:, 0].tolist()]
    np.savez("y.npz", a=images(), b=images())
    assert "several arrays; type dataset.source.array=<name>, one of a (uint8, 21 × 5 × 4), b" in refusal("y.npz")
    assert torch.equal(whole("y.npz", array="b")[:, 0], torch.from_numpy(images()))
    assert "array=c: dataset.source.path=y.npz has no such array, but a (uint8" in refusal("y.npz", array="c")
    assert (
        "array=a: dataset.source.path=z.npy is a single array"
        in (np.save("z.npy", images()), refusal("z.npy", array="a"))[1]
    )
    np.savez("w.npz", words=np.array(["a"]))
    assert "has no array of numbers, but words (words, 1)" in refusal("w.npz")


def test_labels_come_from_another_file_too():
    np.save("x.npy", images())
    np.save("y.npy", np.array(["b", "a"])[np.arange(N) % 2])
    train, _ = loaded(labels="y.npy")
    assert train.classes == ("a", "b")
    assert train.labels.tolist() == [1 - i % 2 for i in bytes_of(train).flatten(1)[:, 0].tolist()]
    assert "labels=z is neither a file nor an array of x.npy, which has one array" in refusal(labels="z")
    np.savez("z.npz", a=np.zeros(N), b=np.zeros(N))
    assert "has several arrays, a (float64, 21), b (float64, 21); save the one that is meant" in refusal(labels="z.npz")
    np.save("y.npy", np.zeros(N + 1, int))
    assert "labels=y.npy has 22 labels, and there are 21 images" in refusal(labels="y.npy")


def test_the_split_is_fixed_and_a_share():
    np.save("x.npy", images())
    first, again = (bytes_of(loaded(test_share=0.25)[1])[:, 0, 0, 0].tolist() for _ in range(2))
    assert first == again
    assert len(first) == 5
    assert "test_share=1.5 must lie between 0 and 1" in refusal(test_share=1.5)


def test_arrays_named_as_keras_names_them_need_no_option():
    np.savez("mnist.npz", x_train=images(), y_train=np.arange(N) % 10, x_test=images()[:5], y_test=np.arange(5))
    train, test = loaded("mnist.npz")
    assert (len(train), len(test)) == (N, 5)
    assert (train.classes, test.labels.tolist()) == (tuple("0123456789"), [0, 1, 2, 3, 4])
    assert loaded("mnist.npz", classes=list("abcdefghij"))[1].classes == tuple("abcdefghij")
    np.savez("x.npz", x_train=images(), x_test=images()[:5])
    train, test = loaded("x.npz")
    assert (len(train), len(test), train.labels) == (N, 5, None)


@pytest.mark.parametrize("separate", [False, True])
def test_test_images_may_be_given(separate):
    np.savez("x.npz", a=images(), y=np.arange(N) % 2, b=images()[:6], z=np.ones(6, int))
    np.savez("t.npz", a=images()[:6], z=np.ones(6, int))
    more = {"test_path": "t.npz"} if separate else {"test_array": "b"}
    train, test = loaded("x.npz", array="a", labels="y", test_labels="z", **more)
    assert (len(train), len(test), test.labels.tolist()) == (N, 6, [1] * 6)
    assert torch.equal(bytes_of(test)[:, 0], torch.from_numpy(images()[:6]))
    assert "test_labels= is needed, since the other labels are given" in refusal("x.npz", array="a", labels="y", **more)
    assert "test_labels= needs dataset.source.test_array=" in refusal("x.npz", array="a", test_labels="z")
    assert "factors= needs all images in one array" in refusal("x.npz", array="a", factors="y", **more)


def test_test_images_of_another_size_or_range_are_refused():
    np.savez("x.npz", a=images(), b=images(N, W, H), c=images().astype(float) / 255)
    assert "b: test images of 1×4×5, and the training images are 1×5×4" in refusal("x.npz", array="a", test_array="b")
    assert "range=[0,1] would clamp" in refusal("x.npz", array="c", test_array="a")


def test_factors_are_known_to_the_scores_of_disentanglement():
    order = np.random.default_rng(0).permutation(24)
    values = np.stack(np.unravel_index(order, (2, 3, 4)), 1)
    pixels = images(24, H, W)
    pixels[:, 0, 0] = order  # the position in the grid
    np.savez("x.npz", images=pixels, factors=values, kind=values[:, 0])
    train, test = loaded("x.npz", factors="factors", factor_names=["kind", "x", "y"], labels="kind")
    assert train.factors.names == ("kind", "x", "y")
    assert train.factors.sizes == (2, 3, 4)
    assert train.factors.stored[torch.arange(24)][:, 0, 0, 0].tolist() == list(range(24))
    for part in (train, test):
        assert (bytes_of(part)[:, 0, 0, 0] // 12).tolist() == part.labels.tolist()
    assert "needs dataset.source.factors=" in refusal("x.npz", factor_names=["a"])
    assert "needs dataset.source.labels=" in refusal("x.npz", classes=["a"])


def test_a_dataset_of_arrays_makes_batches():
    np.savez("mnist.npz", x_train=images(), y_train=np.arange(N) % 2, x_test=images()[:5], y_test=np.ones(5, int))
    data = Dataset("arrays", Arrays("mnist.npz"), Path(), batch_size=4, seed=0)
    batch = next(data.batches("test"))
    assert torch.equal(batch.x[:, 0], torch.from_numpy(images()[:5]) / 255)
    assert batch.y.tolist() == [1] * 5


def test_files_of_matlab_are_read_with_their_axes_typed():
    faces = images()
    scipy.io.savemat(
        "faces.mat", {"faces": faces.transpose(0, 2, 1).reshape(N, -1).T.astype(float), "id": np.arange(1, N + 1)}
    )
    assert torch.equal(whole("faces.mat", array="faces", axes=["WH", "N"], height=H)[:, 0], torch.from_numpy(faces))
    assert loaded("faces.mat", array="faces", axes=["WH", "N"], height=H, labels="id")[0].classes[-1] == str(N)


def test_hdf5_is_read_by_the_path_in_the_file():
    h5py = pytest.importorskip("h5py")
    with h5py.File("x.h5", "w") as file:
        file["train/images"], file["train/labels"] = images(), np.arange(N) % 2
    train, _ = loaded("x.h5", array="train/images", labels="train/labels")
    assert train.labels.tolist() == [i % 2 for i in bytes_of(train).flatten(1)[:, 0].tolist()]
    assert torch.equal(whole("x.h5")[:, 0], torch.from_numpy(images()))


@pytest.mark.skipif("VAE_LAB_DATA" not in os.environ, reason="VAE_LAB_DATA names no folder with real files")
@pytest.mark.parametrize(
    ("path", "options", "count", "shape"),
    [
        ("frey/frey_rawface.mat", {"axes": ["HW", "N"], "height": 28, "width": 20}, 1965, (1, 28, 20)),
        ("olivetti/olivettifaces.mat", {"axes": ["WH", "N"], "height": 64}, 400, (1, 64, 64)),
        ("olivetti/olivetti_64x64_u8.npz", {"labels": "person"}, 400, (1, 64, 64)),
    ],
)
def test_published_faces_are_upright(path, options, count, shape):
    root = Path(os.environ["VAE_LAB_DATA"])
    if not (root / path).is_file():
        pytest.skip(f"there is no {path}")
    train, test = Arrays(path, **options).load(root)
    assert (len(train) + len(test), train.x_shape) == (count, shape)
    mean = bytes_of(train).float().mean((0, 1))
    mirrored = (mean - mean.flip(1)).abs().mean()
    assert mirrored < 0.8 * (mean - mean.flip(0)).abs().mean()  # more like its mirror image than upside down
