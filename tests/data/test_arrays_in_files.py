"""Where the arrays of a dataset come from: files and names, labels, factors, given splits, published files."""

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from helpers import bytes_of
from made_arrays import H, N, W, images, loaded, refusal, whole

from vae_lab.data.arrays import Arrays
from vae_lab.data.dataset import Dataset


@pytest.fixture(autouse=True)
def _here(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))


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
