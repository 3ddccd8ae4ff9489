"""Known factors of variation from an array: one row per image, one column per factor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vae_lab.errors import UserError


@dataclass(frozen=True)
class FactorGrid:
    """The combinations of factor values, each of which has one image.

    Args:
        names: names of the factors.
        sizes: number of values of each.
        order: the image of each combination, [N], the last factor changing fastest; None: the images are in this order.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    order: np.ndarray | None


def factor_grid(values: np.ndarray, names: Sequence[str] | None, count: int, start: str) -> FactorGrid:
    """Return the grid of the factors. A factor with a single value, such as the colour of dSprites, is left out.

    Args:
        values: [N, F] numbers. Their order counts, not their size: 0, 0.5 and 1 are three values.
        names: the names of the F factors; None: they are numbered.
        count: number of images.
        start: the beginning of error messages, ``dataset.source.factors=latents_classes``.

    Raises:
        UserError: the array has another shape, or does not hold every combination once. The disentanglement scores
            draw any combination and look up its image.
    """
    if values.ndim != 2 or len(values) != count or values.dtype.kind not in "buif":
        shown = f"{' × '.join(map(str, values.shape))} values of {values.dtype}"
        raise UserError(f"{start} holds {shown}; {count} × F numbers are needed, a row for each image")
    if names is not None and len(names) != values.shape[1]:
        raise UserError(f"dataset.source.factor_names= has {len(names)} names, and {start} {values.shape[1]} columns")
    names = names or [f"factor {i + 1}" for i in range(values.shape[1])]
    found = [np.unique(column, return_inverse=True) for column in values.T]
    kept = [i for i, (different, _) in enumerate(found) if len(different) > 1]
    if not kept:
        raise UserError(f"{start} has no column with more than one value")
    sizes = tuple(len(found[i][0]) for i in kept)
    ranks = np.stack([found[i][1].reshape(-1) for i in kept], 1)
    _refuse_incomplete(ranks, sizes, start)
    place = np.ravel_multi_index(tuple(ranks.T), sizes)
    ordered = bool((place == np.arange(count)).all())
    return FactorGrid(tuple(names[i] for i in kept), sizes, None if ordered else np.argsort(place))


def _refuse_incomplete(ranks: np.ndarray, sizes: tuple[int, ...], start: str) -> None:
    combinations, times = len(np.unique(ranks, axis=0)), math.prod(sizes)
    if len(ranks) == combinations == times:
        return
    raise UserError(
        f"{start}: the scores of disentanglement need one image for each of the {' × '.join(map(str, sizes))} = "
        f"{times:,} combinations of values; {len(ranks):,} images show {combinations:,} of them; leave factors out"
    )
