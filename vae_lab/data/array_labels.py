"""Class labels from an array: integers, words, or one-hot rows."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vae_lab.errors import UserError

_MOST_CLASSES = 10_000


class ClassNames:
    """The classes of a dataset, found in its training labels and applied to its test labels.

    Args:
        labels: integers or words [N], [N, 1] or [1, N], or one-hot rows [N, K].
        names: the names of the K classes; None: the labels themselves. With names, integers are positions in them.
        start: the beginning of error messages, ``dataset.source.labels=y``.

    Raises:
        UserError: the array holds no labels.
    """

    def __init__(self, labels: np.ndarray, names: Sequence[str] | None, start: str) -> None:
        flat = _flat(labels, start)
        if flat.dtype.kind == "U":
            self.values: Sequence[int] | Sequence[str] = names or sorted(set(flat.tolist()))
        elif names:
            self.values = range(len(names))
        else:
            self.values = _without_gaps(flat, labels, start)
        self.names = tuple(names or map(str, self.values))
        if len(set(self.names)) < len(self.names):
            raise UserError(f"{start}: dataset.source.classes= names a class twice; each name is needed once")

    def of(self, labels: np.ndarray, count: int, start: str) -> Tensor:
        """Return the positions of labels in the names, long [count].

        Raises:
            UserError: there are more or fewer labels than images, or one is none of the classes.
        """
        flat = _flat(labels, start)
        if len(flat) != count:
            raise UserError(f"{start} has {len(flat):,} labels, and there are {count:,} images")
        position = {value: i for i, value in enumerate(self.values)}
        found = [position.get(label, -1) for label in flat.tolist()]
        if -1 in found:
            wrong, shown = flat[found.index(-1)], ", ".join(map(str, list(self.values)[:10]))
            more = ", …" if len(self.values) > 10 else ""
            raise UserError(
                f"{start}: label {wrong} of image {found.index(-1)} is none of the {len(self.values)} classes "
                f"{shown}{more}; repair the labels"
            )
        return torch.tensor(found)


def _flat(labels: np.ndarray, start: str) -> np.ndarray:
    """Return labels as integers or words [N].

    Raises:
        UserError: they are neither.
    """
    kind, shown = labels.dtype.kind, " × ".join(map(str, labels.shape))
    if kind == "S":
        labels, kind = np.char.decode(labels, "utf-8"), "U"
    if labels.ndim == 2 and 1 in labels.shape:
        labels = labels.reshape(-1)
    if kind not in "buifU" or labels.ndim not in (1, 2) or labels.size == 0 or (labels.ndim == 2 and kind == "U"):
        raise UserError(f"{start} holds {shown} values of {labels.dtype}; integers or words, one per image, are needed")
    if kind == "U":
        return np.char.strip(labels)
    if (kind == "f" and not (np.isfinite(labels).all() and (labels == np.rint(labels)).all())) or labels.min() < 0:
        raise UserError(f"{start} holds values that are no class labels; integers from 0, or words, are needed")
    labels = labels.astype(np.int64)
    if labels.ndim == 1:
        return labels
    if labels.max() > 1 or (labels.sum(1) != 1).any():
        raise UserError(
            f"{start} is {shown}, and its rows are not one-hot; integers or words, one per image, are needed"
        )
    return labels.argmax(1)


def _without_gaps(flat: np.ndarray, labels: np.ndarray, start: str) -> range:
    """Return the range of integer labels.

    Raises:
        UserError: integers within it are missing, so that a label may be wrong.
    """
    if labels.ndim == 2 and 1 not in labels.shape:
        return range(labels.shape[1])
    found = np.unique(flat)
    first, last = int(found[0]), int(found[-1])
    first = 0 if first == 1 and last < 1 else first
    if len(found) != last - first + 1 or len(found) > _MOST_CLASSES:
        raise UserError(
            f"{start} goes from {first} to {last} with {len(found):,} different values; for labels with gaps, type "
            "dataset.source.classes=[<name of 0>,<name of 1>,…], or save words"
        )
    return range(first, last + 1)
