"""Names inside a plot, moved apart where they overlap."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation


def move_apart(figure: Figure, axes: Axes) -> None:
    """Move the names of classes that overlap away from each other; a line joins a moved name to its place.

    Each of them is pushed out of the others' boxes step by step, which separates the names of a few dozen classes.
    """
    names = [text for text in axes.texts if isinstance(text, Annotation)]
    figure.draw_without_rendering()  # computes the layout, and with it the boxes
    boxes = [patch.get_window_extent() for patch in (name.get_bbox_patch() for name in names) if patch is not None]
    start = np.array([[(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2] for box in boxes]).reshape(-1, 2)
    sizes = np.array([[box.width, box.height] for box in boxes]).reshape(-1, 2)
    moved = separated(start, sizes)
    for name, offset in zip(names, (moved - start) * 72 / figure.dpi):
        name.set_position(tuple(offset))
        if not offset.any() and name.arrow_patch is not None:
            name.arrow_patch.set_visible(False)


def separated(centres: np.ndarray, sizes: np.ndarray, steps: int = 500) -> np.ndarray:
    """Return the centres [N, 2] of boxes of these sizes [N, 2], moved by little so that the boxes do not overlap."""
    centres = centres.copy()
    for _ in range(steps):
        apart = centres[:, None] - centres[None]  # [N, N, 2]
        overlap = (sizes[:, None] + sizes[None]) / 2 + 2 - np.abs(apart)
        touching = (overlap > 0).all(-1) & ~np.eye(len(centres), dtype=bool)
        if not touching.any():
            break
        # A pair moves along the axis on which it overlaps less; of equal centres, the later one moves up.
        shorter = overlap == overlap.min(-1, keepdims=True)
        order = np.sign(np.arange(len(centres))[:, None] - np.arange(len(centres))[None])[..., None]
        way = np.where(apart == 0, order, np.sign(apart))
        centres += (0.5 * overlap * way * shorter * touching[..., None]).clip(-4, 4).sum(1)
    return centres
