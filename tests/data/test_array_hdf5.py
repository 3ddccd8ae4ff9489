import numpy as np
import pytest

from vae_lab.data.array_file import arrays_of
from vae_lab.data.array_hdf5 import HDF5Array, HDF5Rows, is_hdf5

h5py = pytest.importorskip("h5py")
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 5), np.uint8)


def matlab_file(folder):
    """A file as MATLAB 7.3 writes it: 512 bytes of its own, then HDF5 with all axes reversed."""
    with h5py.File(folder / "a.mat", "w", userblock_size=512) as file:
        file["first"] = IMAGES.T  # in MATLAB: 7 × 4 × 5, the images on the first axis
        file["last"] = IMAGES  # in MATLAB: 5 × 4 × 7, the images on the last axis
        file["mask"] = (IMAGES > 9).astype(np.uint8)
        file["mask"].attrs["MATLAB_class"] = np.bytes_("logical")
        file["#refs#/a"] = np.zeros(3)
    with (folder / "a.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512))
    return folder / "a.mat"


def test_arrays_of_matlab_have_its_axes(tmp_path):
    file = matlab_file(tmp_path)
    assert is_hdf5(file)
    found = arrays_of(file, "a")
    assert set(found) == {"first", "last", "mask"}
    assert found["first"].shape == (7, 4, 5)
    assert np.array_equal(np.asarray(found["first"].load()), IMAGES)
    assert found["last"].shape == (5, 4, 7)
    rows = found["last"].rows(2)
    assert isinstance(rows, HDF5Rows)
    assert rows.shape == (7, 5, 4)
    assert np.array_equal(rows[np.array([6, 1, 1])], IMAGES.transpose(0, 2, 1)[[6, 1, 1]])
    assert np.array_equal(found["first"].rows(0)[np.array([3])], IMAGES[[3]])
    assert found["mask"].dtype == found["mask"].rows(2)[np.array([0])].dtype == bool


def test_a_block_is_read_without_the_rest(tmp_path):
    class Counted:
        def __init__(self, data):
            self.data, self.read = data, 0
            self.shape, self.dtype, self.attrs = data.shape, data.dtype, data.attrs

        def __getitem__(self, index):
            part = self.data[index]
            self.read += len(part)
            return part

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/x"] = IMAGES
    assert set(arrays_of(tmp_path / "a.h5", "a")) == {"deep/x"}
    with h5py.File(tmp_path / "a.h5") as file:
        data = Counted(file["deep/x"])
        rows = HDF5Array(data, matlab=False).along(0)
        assert np.array_equal(rows[np.array([5, 2, 5])], IMAGES[[5, 2, 5]])
        assert np.array_equal(rows[np.array([2, 3, 4])], IMAGES[2:5])
        assert data.read == 5
