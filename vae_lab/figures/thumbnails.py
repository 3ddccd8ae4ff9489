"""Small images at points of a scatter plot, where they do not cover each other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.typing import ColorType
from torch import Tensor

from vae_lab.figures.image_grids import pick
from vae_lab.scores import Trained

_POINTS = 20.0  # the longer side of a thumbnail, in points of print


def fitting(places: np.ndarray, size: float, most: int) -> list[int]:
    """Which points may have a box of this side around them: each one that does not meet an earlier box.

    Args:
        places: points [N, 2], in the units of ``size``.
        size: the side of a box with its margin.
        most: largest number of boxes.
    """
    chosen: list[int] = []
    for i, place in enumerate(places):
        if len(chosen) == most:
            break
        if not chosen or (np.abs(places[chosen] - place).max(1) >= size).all():
            chosen.append(i)
    return chosen


def add_thumbnails(
    axes: Axes, places: np.ndarray, of_test: Tensor, colours: Sequence[ColorType], trained: Trained, most: int
) -> None:
    """Draw up to ``most`` test images at their points, each in a frame of its point's colour.

    Args:
        axes: with the points already drawn.
        places: points [N, 2] in a random order, so that images of all parts have the same chance.
        of_test: positions of the points' images in the test set, long [N].
        colours: of the points.
        trained: the run.
        most: largest number of images; there are fewer if they would cover each other.
    """
    figure = axes.figure
    figure.draw_without_rendering()  # type: ignore[union-attr]  # lays the axes out
    inches = axes.transData.transform(places) / figure.dpi
    chosen = fitting(72 * inches, 1.25 * _POINTS, most)
    images = pick((batch.x for batch in trained.data.batches("test")), of_test[chosen].tolist())
    pictures = images.float().clamp(0, 1).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
    for i, picture in zip(chosen, pictures):
        image = OffsetImage(picture, zoom=_POINTS / max(picture.shape[:2]), interpolation="antialiased")
        frame = {"edgecolor": colours[i], "linewidth": 1.2}
        axes.add_artist(AnnotationBbox(image, tuple(places[i]), pad=0.08, bboxprops=frame, zorder=3))
