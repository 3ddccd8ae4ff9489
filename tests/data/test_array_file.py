import gzip
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from vae_lab.data import array_file
from vae_lab.data.array_file import arrays_of
from vae_lab.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 5), np.uint8)
WORDS = np.array(["cat", "dog", "ape"])


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))


def saved(file: Path) -> Path:
    """Write IMAGES as ``x`` and WORDS as ``y``."""
    if file.suffix == ".npy":
        np.save(file, IMAGES)
    elif file.suffix == ".npz":
        np.savez_compressed(file, x=IMAGES, y=WORDS)
    elif file.suffix == ".mat":
        scipy.io.savemat(file, {"x": IMAGES, "y": WORDS.astype(object)})
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(file, "w") as out:
            out["x"], out["y"] = IMAGES, WORDS.astype(object)
    return file


def refusal(file: Path) -> str:
    with pytest.raises(UserError) as told:
        [np.asarray(array.load()) for array in arrays_of(file, f"images={file}").values()]
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".h5", ".hdf5", ".hdf", ".NPY"])
def test_shapes_types_and_values_are_those_of_the_file(tmp_path, suffix):
    found = arrays_of(saved(tmp_path / f"a{suffix.lower()}").rename(tmp_path / f"b{suffix}"), "a")
    name = "" if suffix.lower() == ".npy" else "x"
    assert found[name].shape == IMAGES.shape
    assert found[name].dtype == np.uint8
    assert np.array_equal(np.asarray(found[name].load()), IMAGES)
    for axis in range(3):
        rows = found[name].rows(axis)
        assert rows.shape == np.moveaxis(IMAGES, axis, 0).shape
        assert np.array_equal(rows[np.array([2, 0, 2])], np.moveaxis(IMAGES, axis, 0)[[2, 0, 2]])
    if name:
        assert not found["y"].numeric
        assert np.asarray(found["y"].load()).reshape(-1).tolist() == WORDS.tolist()


def test_logical_values_of_matlab_are_booleans(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": IMAGES > 99})
    (found,) = arrays_of(tmp_path / "a.mat", "a").values()
    assert found.dtype == found.load().dtype == bool


def test_complex_numbers_of_matlab_are_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": IMAGES * 1j})
    assert "it holds complex numbers" in refusal(tmp_path / "a.mat")


def test_a_large_array_of_an_archive_is_unpacked_once_and_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr(array_file, "LARGE", 50)
    file = saved(tmp_path / "a.npz")
    first, second = (arrays_of(file, "a")["x"].load() for _ in range(2))
    assert isinstance(first, np.memmap)
    assert np.array_equal(first, IMAGES)
    assert np.array_equal(second, IMAGES)
    assert len(list((Path(os.environ["VAE_LAB_CACHE"]) / "arrays").glob("*.npy"))) == 1


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_a_file_of_torch_is_refused_with_the_command_that_converts_it(tmp_path, suffix):
    file = tmp_path / f"faces{suffix}"
    torch.save(torch.from_numpy(IMAGES), file)
    told = refusal(file)
    assert "opening one can run any code" in told
    exec(told.partition('python -c "')[2].removesuffix('"'))
    assert np.array_equal(np.load(tmp_path / "faces.npy"), IMAGES)


class Dangerous:
    """An object whose unpickling writes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.write_text, (self.file, "ran")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_nothing_is_unpickled(tmp_path, suffix):
    objects = np.array([Dangerous(tmp_path / "ran"), 1], object)
    np.save(tmp_path / "a.npy", objects) if suffix == ".npy" else np.savez(tmp_path / "a.npz", x=objects)
    (found,) = arrays_of(tmp_path / f"a{suffix}", "a").values()
    assert not found.numeric
    with pytest.raises(UserError, match="it holds Python objects"):
        found.load()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".h5"])
def test_a_damaged_file_is_told_in_one_line(tmp_path, suffix):
    whole = saved(tmp_path / f"a{suffix}").read_bytes()
    for keep in (0, 4, len(whole) // 3, len(whole) - 60):
        (tmp_path / f"cut{suffix}").write_bytes(whole[:keep])
        assert f"images={tmp_path}/cut{suffix}" in refusal(tmp_path / f"cut{suffix}")
    (tmp_path / f"zip{suffix}").write_bytes(gzip.compress(whole))
    assert "is damaged or" in refusal(tmp_path / f"zip{suffix}")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "needs the package h5py: pip install 'vae-lab[hdf5]'" in refusal(tmp_path / "a.h5")
