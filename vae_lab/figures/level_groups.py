"""The levels of a hierarchy as the rows of a figure: one by one, or all levels of the same resolution together."""

from collections.abc import Sequence
from itertools import groupby

from vae_lab.types import Shape


def level_groups(latent_shapes: Sequence[Shape]) -> list[list[int]]:
    """Group levels, counted from 0 at the top: neighbours whose codes are on grids of the same size are together.

    A very deep hierarchy has many levels per resolution, each of which changes little. Vectors have no resolution, so
    that each of their levels is alone.

    >>> level_groups([(8, 1, 1), (8, 7, 7), (8, 7, 7), (4, 14, 14)]), level_groups([(4,), (8,), (16,)])
    ([[0], [1, 2], [3]], [[0], [1], [2]])
    """
    keys = [shape[1:] or (-index,) for index, shape in enumerate(latent_shapes)]
    return [list(group) for _, group in groupby(range(len(keys)), keys.__getitem__)]


def group_name(group: Sequence[int], latent_shapes: Sequence[Shape]) -> str:
    """Name a group with the numbers of its levels, 1 next to the data, and the grid of its codes.

    >>> group_name([1, 2], [(8, 1, 1), (8, 7, 7), (8, 7, 7), (4, 14, 14)]), group_name([0], [(4,), (8,)])
    ('levels 3–2, 7×7', 'level 2')
    """
    first, last = (len(latent_shapes) - index for index in (group[0], group[-1]))
    grid = "×".join(map(str, latent_shapes[group[0]][1:]))
    name = f"level {first}" if first == last else f"levels {first}–{last}"
    return f"{name}, {grid}" if grid else name
