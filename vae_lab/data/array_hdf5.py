"""Arrays of HDF5 files, which are also the ``.mat`` files of MATLAB 7.3, read a block at a time by h5py."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vae_lab.system.extras import need

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_OFFSETS = (0, 512)  # MATLAB writes 512 bytes of its own first


def is_hdf5(file: Path) -> bool:
    """Return whether a file is an HDF5 file, whatever its name says."""
    with file.open("rb") as stream:
        head = stream.read(_OFFSETS[-1] + len(_SIGNATURE))
    return any(head[start:].startswith(_SIGNATURE) for start in _OFFSETS)


@dataclass(frozen=True)
class HDF5Array:
    """An array of an HDF5 file, which is read when it is used.

    Args:
        data: the h5py dataset.
        matlab: True where MATLAB wrote it. MATLAB stores the axes in reverse; here they have MATLAB's order.
    """

    data: Any
    matlab: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self.data.shape[::-1] if self.matlab else self.data.shape

    @property
    def dtype(self) -> np.dtype:
        """The type of the values."""
        logical = self.matlab and self.data.attrs.get("MATLAB_class") == b"logical"
        return np.dtype(bool) if logical else self.data.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The whole array."""
        whole = self.data[()]
        if self.dtype.kind in "OS":
            return np.array([w.decode() if isinstance(w, bytes) else str(w) for w in whole.ravel()]).reshape(self.shape)
        return np.asarray(whole.T if self.matlab else whole, dtype or self.dtype)

    def along(self, axis: int) -> "np.ndarray | HDF5Rows":
        """Return the array with an axis first: without reading it, if the file stores that axis first."""
        stored = len(self.shape) - 1 - axis if self.matlab else axis
        return HDF5Rows(self) if stored == 0 else np.moveaxis(np.asarray(self), axis, 0)


@dataclass(frozen=True)
class HDF5Rows:
    """The entries along the first stored axis of an array."""

    array: HDF5Array

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of entries, then the shape of one."""
        return (self.array.data.shape[0], *(self.array.shape[:-1] if self.array.matlab else self.array.shape[1:]))

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """Return the entries at positions [n], in any order."""
        wanted, where = np.unique(index, return_inverse=True)  # h5py wants them ascending, without repetitions
        contiguous = wanted[-1] - wanted[0] == len(wanted) - 1  # a slice is read many times as fast as a list
        part = self.array.data[wanted[0] : wanted[-1] + 1] if contiguous else self.array.data[wanted]
        part = np.moveaxis(part.T, -1, 0) if self.array.matlab else part
        return part.astype(self.array.dtype, copy=False)[where]


def hdf5_arrays(file: Path, start: str, matlab: bool) -> dict[str, HDF5Array]:
    """Return all arrays of a file by their path in it, such as ``group/images``.

    Args:
        file: the file.
        start: the beginning of error messages, ``images=x.h5``.
        matlab: True for a ``.mat`` file.
    """
    h5py = need("h5py", start, "hdf5")
    found: dict[str, HDF5Array] = {}

    def visit(name: str, item: Any) -> None:
        # MATLAB's folder of cells is called #refs#; a dataset without a shape is empty.
        if isinstance(item, h5py.Dataset) and not name.startswith("#") and item.shape is not None:
            found[name] = HDF5Array(item, matlab)

    h5py.File(file, "r", locking=False).visititems(visit)  # stays open as long as one of its arrays is used
    return found
