"""Files that hold arrays by name: ``.npy``, ``.npz``, ``.mat``, HDF5 and pickles.

The shapes and types of all arrays are known when the file is opened; an array is read when it is used. Large arrays of
``.npy`` and ``.npz`` files are mapped into memory, and HDF5 is read a block at a time. A pickle can run any code, so
that ``array_pickle.py`` reads arrays from it and nothing else.
"""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from vae_lab.data.array_hdf5 import HDF5Array, hdf5_arrays, is_hdf5
from vae_lab.data.array_pickle import pickled_arrays
from vae_lab.data.cache import cache_dir, made_once
from vae_lab.errors import UserError
from vae_lab.types import T

LARGE = 2**30  # bytes of a compressed array above which it is unpacked into a file in the cache instead of memory
_PICKLES = (".pkl", ".pickle", ".p")
ARRAY = "an array (.npy, .npz, .mat, HDF5)"  # what users are told to give; pickled arrays are read, but not advised
SUFFIXES = (".npy", ".npz", ".mat", ".h5", ".hdf5", ".hdf", ".pkl", ".pickle", ".p")
_OF_TORCH = "import numpy, torch; numpy.save('{new}', torch.load('{old}', weights_only=True).numpy())"
_MATLAB = {"double": "float64", "single": "float32", "logical": "bool", "char": "U", "cell": "O", "struct": "O"}


class Rows(Protocol):
    """An array in memory, mapped into memory, or in an HDF5 file, by its first axis."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of entries, then the shape of one."""

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """The entries at positions [n]."""


@dataclass(frozen=True)
class NamedArray:
    """An array of a file, before it is read.

    Args:
        name: its name in the file.
        shape: the lengths of its axes.
        dtype: the type of its values.
        read: reads it, or maps it into memory.
        start: the beginning of error messages.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray | HDF5Array]
    start: str = ""

    def load(self) -> np.ndarray | HDF5Array:
        """Return the array, which may still be in the file.

        Raises:
            UserError: it is damaged, or holds Python objects.
        """
        with damage_told(self.start, "no array of numbers or words"):
            return self.read()

    @property
    def numeric(self) -> bool:
        """True for booleans, integers and real numbers."""
        return self.dtype.kind in "buif"

    def rows(self, axis: int) -> Rows:
        """The array with an axis first; nothing is read before it is used, where the format allows that."""
        values = self.load()
        return values.along(axis) if isinstance(values, HDF5Array) else np.moveaxis(values, axis, 0)

    def __str__(self) -> str:
        kind = self.dtype.name if self.numeric else "words" if self.dtype.kind in "US" else "Python objects"
        return f"{kind}, {' × '.join(map(str, self.shape)) or 'one value'}"


def arrays_of(file: Path, start: str) -> dict[str, NamedArray]:
    """Return the arrays of a file by name; the name of the array of a ``.npy`` file is empty.

    Args:
        file: the file.
        start: the beginning of error messages, ``images=x.npz``.

    Raises:
        UserError: the file is damaged or of another kind, or a pickle that names more than arrays of numbers need.
    """
    suffix = file.suffix.lower()
    if suffix in (".pt", ".pth"):
        code = _OF_TORCH.format(old=file, new=file.with_suffix(".npy"))
        raise UserError(
            f"{start} is a pickle, and opening one can run any code that it contains; if you trust it, convert it: "
            f'python -c "{code}"'
        )
    if suffix not in SUFFIXES:
        raise UserError(f"{start}: arrays are read from {', '.join(SUFFIXES)}; save this one with numpy.save")
    with damage_told(start, f"no {suffix} file"):
        if suffix in (".h5", ".hdf5", ".hdf") or (suffix == ".mat" and is_hdf5(file)):
            found = hdf5_arrays(file, start, matlab=suffix == ".mat")
            named = {name: NamedArray(name, a.shape, a.dtype, partial(_same, a)) for name, a in found.items()}
        elif suffix in _PICKLES:
            held = pickled_arrays(file, start)
            named = {name: NamedArray(name, a.shape, a.dtype, partial(_same, a)) for name, a in held.items()}
        else:
            named = {".npy": _npy, ".npz": _npz, ".mat": _mat}[suffix](file)
    return {name: replace(array, start=f"{start}, {name}" if name else start) for name, array in named.items()}


def _same(array: T) -> T:
    return array


@contextmanager
def damage_told(start: str, otherwise: str) -> Iterator[None]:
    """Turn the errors of libraries, which are of many kinds for damaged files, into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as why:
        told = " ".join(str(why).split())[:120] or type(why).__name__
        raise UserError(f"{start} is damaged or {otherwise} ({told})") from why


def _npy(file: Path) -> dict[str, NamedArray]:
    with file.open("rb") as stream:
        shape, dtype = _header(stream)
    if dtype.hasobject:
        return {"": NamedArray("", shape, dtype, _refuse_objects)}
    mapped = np.load(file, mmap_mode="c", allow_pickle=False)  # maps at once, which finds out that a file is truncated
    return {"": NamedArray("", shape, dtype, lambda: mapped)}


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype


def _npz(file: Path) -> dict[str, NamedArray]:
    found = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                with archive.open(member) as stream:
                    shape, dtype = _header(stream)
                name = member.filename.removesuffix(".npy")
                read = _refuse_objects if dtype.hasobject else _Member(file, member)
                found[name] = NamedArray(name, shape, dtype, read)
    return found


def _refuse_objects() -> np.ndarray:
    raise ValueError("it holds Python objects, and unpickling them can run any code; save words as numpy.array(…, str)")


@dataclass(frozen=True)
class _Member:
    """Reads one array of a ``.npz`` archive."""

    file: Path
    member: zipfile.ZipInfo

    def __call__(self) -> np.ndarray:
        with zipfile.ZipFile(self.file) as archive, archive.open(self.member) as stream:
            if self.member.file_size <= LARGE:
                return np.lib.format.read_array(stream, allow_pickle=False)
            unpacked = cache_dir("arrays") / f"{self.member.CRC:08x}-{self.member.file_size}.npy"
            return made_once(unpacked, partial(_copy, stream), _mapped)


def _copy(stream: IO[bytes], path: Path) -> None:
    with path.open("wb") as out:
        shutil.copyfileobj(stream, out, 2**20)


def _mapped(path: Path) -> np.ndarray | None:
    try:
        return np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None  # damaged


def _mat(file: Path) -> dict[str, NamedArray]:
    from scipy.io import loadmat, whosmat

    def read(name: str, kind: str) -> np.ndarray:
        found = loadmat(file, variable_names=[name])[name]
        if kind == "cell":  # a column of words is a cell array
            return np.array([str(np.squeeze(word)) for word in found.ravel()])
        if found.dtype.kind == "c":
            raise ValueError("it holds complex numbers")
        return found.astype(bool) if kind == "logical" else found

    def array(name: str, shape: tuple[int, ...], kind: str) -> NamedArray:
        dtype = np.dtype(_MATLAB.get(kind, kind) if kind not in ("sparse", "function", "opaque", "object") else "O")
        return NamedArray(name, shape, dtype, lambda: read(name, kind))

    return {name: array(name, shape, kind) for name, shape, kind in whosmat(file)}
