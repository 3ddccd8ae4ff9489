"""Arrays in a pickle, read without calling anything that the file names.

A pickle is a program: it names functions, and Python's own reader calls them. NumPy's arrays need five such names. Here
they stand for classes of this module, which keep what the file says; an array is then made from its bytes, after its
type and its shape were checked. Every other name is refused. Files of Python 2 are read, too: their bytes are text,
which Latin-1 turns back.
"""

import io
import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vae_lab.errors import UserError

_NO_NUMBERS = "it holds {}, and only arrays of numbers are read"


class _Type:
    """``numpy.dtype``: the type of an array's values."""

    def __init__(self, name: str, *_: object) -> None:
        self.name, self.order = name, "|"

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def numpy(self) -> np.dtype:
        """The type.

        Raises:
            ValueError: it is no type of numbers.
        """
        name = self.name.decode("latin1") if isinstance(self.name, bytes) else str(self.name)
        dtype = np.dtype(name).newbyteorder(">" if self.order == ">" else "<")
        if dtype.kind not in "buif":
            raise ValueError(_NO_NUMBERS.format(f"an array of {dtype}"))
        return dtype


class _Array:
    """``numpy.ndarray``, empty until the pickle says what is in it."""

    def __init__(self, *_: object) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, content = state
        self.array = _array(content, dtype, shape, "F" if fortran else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    made = _Array()
    made.array = _array(content, dtype, shape, "F" if order == "F" else "C")
    return made


def _array(content: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    """Return an array of these bytes.

    Raises:
        ValueError: they are not as many as the shape needs, or no numbers.
    """
    if not isinstance(dtype, _Type) or not isinstance(content, bytes | bytearray | str):
        raise ValueError(_NO_NUMBERS.format("an array of Python objects"))
    kind, lengths = dtype.numpy(), [int(n) for n in shape]
    values = bytearray(content.encode("latin1") if isinstance(content, str) else content)  # an array can write to it
    if min(lengths, default=1) < 0 or math.prod(lengths) * kind.itemsize != len(values):
        raise ValueError(f"an array of {lengths} {kind} has {len(values):,} bytes")
    return np.frombuffer(values, kind).reshape(lengths, order=order)  # type: ignore[call-overload]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """``_codecs.encode``, by which Python 3 writes bytes in the older formats of pickles."""
    if encoding != "latin1":
        raise ValueError(f"bytes in {encoding}")
    return text.encode("latin1")


_NAMES = {
    "numpy.dtype": _Type,
    "numpy.ndarray": _Array,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy.core.numeric._frombuffer": _frombuffer,
    "_codecs.encode": _encode,
}


class _Reader(pickle.Unpickler):
    """Knows the five names and no other.

    Args:
        file: the content of the file.
        start: the beginning of error messages.
    """

    def __init__(self, file: io.BytesIO, start: str) -> None:
        super().__init__(file, encoding="latin1")
        self.start = start

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for.

        Raises:
            UserError: arrays of numbers do not need it.
        """
        found = _NAMES.get(f"{module.replace('numpy._core', 'numpy.core')}.{name}")
        if found is None:
            raise UserError(
                f"{self.start} is a pickle that names {module}.{name}, and only arrays of numbers are read from "
                "pickles, because opening others can run any code; save the array with numpy.save"
            )
        return found


def pickled_arrays(file: Path, start: str) -> dict[str, np.ndarray]:
    """Return the arrays of a pickle by name.

    Those of a dict have its keys as names, those of a list or tuple their positions, joined by ``/`` if one lies in the
    other: ``0/1``. A single array, alone or in a list, has an empty name. Lists of numbers are arrays, too; other texts
    and numbers are left out.

    Args:
        file: the file.
        start: the beginning of error messages, ``images=x.pkl``.

    Raises:
        UserError: the file names something that arrays of numbers do not need.
        ValueError: it holds no array, or one that is not of numbers.
        Exception: of other kinds, if it is damaged.
    """
    content = _Reader(io.BytesIO(file.read_bytes()), start).load()
    if isinstance(content, list | tuple) and len(content) == 1 and isinstance(content[0], _Array):
        content = content[0]
    found = dict(_leaves(content, (), set()))
    if not found:
        raise ValueError("it holds no array of numbers")
    return found


def _leaves(part: object, path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays in a part of the content, with their names.

    Every list and dict is looked at once: in a pickle, one may hold itself, or a few may hold each other so often that
    a walk through them never ends.
    """
    if isinstance(part, _Array):
        if part.array is None:
            raise ValueError("it holds an array without values")
        yield "/".join(path), part.array
    elif id(part) in seen:
        return
    elif isinstance(part, list | tuple) and part and all(isinstance(value, int | float) for value in part):
        yield "/".join(path), np.array(part)
    elif isinstance(part, dict | list | tuple):
        seen.add(id(part))
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            name = key.decode("latin1") if isinstance(key, bytes) else str(key)
            yield from _leaves(value, (*path, name), seen)
