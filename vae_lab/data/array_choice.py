"""Decides which array of a file is meant: the one that was asked for, or the only one that can be meant."""

from collections.abc import Container, Mapping

from vae_lab.data.array_file import NamedArray
from vae_lab.errors import UserError, did_you_mean

_SHOWN = 12  # names that an error message lists


def image_array(
    arrays: Mapping[str, NamedArray], asked: str | None, start: str, option: str, used: Container[str | None] = ()
) -> str:
    """Return the name of the array that holds the images.

    Args:
        arrays: the arrays of the file.
        asked: the name that was typed, or None.
        start: the beginning of error messages, ``images=x.npz``.
        option: the option that chooses an array, ``array=``.
        used: names of arrays with another purpose, such as labels.

    Raises:
        UserError: there is no such array, or several arrays may be meant.
    """
    if asked is not None:
        return named(arrays, asked, start, option)
    free = {name: array for name, array in arrays.items() if array.numeric and name not in used}
    found = {name: array for name, array in free.items() if len(array.shape) in (3, 4)}
    found = found or {name: array for name, array in free.items() if len(array.shape) == 2} or free
    if len(found) == 1:
        return next(iter(found))
    if found:
        raise UserError(f"{start} has several arrays; type {option}<name>, one of {listed(found)}")
    raise UserError(f"{start} has no array of numbers" + (f", but {listed(arrays)}" if arrays else ""))


def named(arrays: Mapping[str, NamedArray], name: str, start: str, option: str) -> str:
    """Return the name, if the file has an array of this name.

    Raises:
        UserError: it has none.
    """
    if name in arrays:
        return name
    if list(arrays) == [""]:
        raise UserError(f"{option}{name}: {start} is a single array without a name; leave it out")
    raise UserError(f"{option}{name}: {start} has no such array{did_you_mean(name, arrays)}, but {listed(arrays)}")


def listed(arrays: Mapping[str, NamedArray]) -> str:
    """Return names with types and shapes in one line: ``x (uint8, 400 × 64 × 64), y (int64, 400)``."""
    shown = [f"{name} ({array})" for name, array in arrays.items()][:_SHOWN]
    return ", ".join(shown) + (f" and {len(arrays) - _SHOWN} more" if len(arrays) > _SHOWN else "")
