"""Rows of images to which an attribute is added step by step, with the accuracy of its vector beside each row."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from vae_lab.figures.animation import Animation, Kind, tiles
from vae_lab.figures.image_grids import caption, centres, image_grid, label_row, show
from vae_lab.figures.moving_codes import decoded
from vae_lab.figures.style import ORANGE, new_figure, number
from vae_lab.scores import Trained

STRENGTHS = (-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
_FRAMES = 20  # from the first strength to the last
_TILE = 128  # pixels: images of moving versions are magnified to about this width


@dataclass
class Row:
    """An image and the vector that is added to its code."""

    name: str  # of the direction
    kind: str  # of the vector: 'raw' or 'corrected'; empty where there is one vector
    accuracy: float  # of its dot product with held-out codes
    image: Tensor  # [C, H, W]
    z: Tensor  # [D], the code of the image
    y: Tensor | None  # [1, ...], its condition
    vector: Tensor  # [D]


def with_reconstruction(strengths: Sequence[float]) -> tuple[float, ...]:
    """Return strengths with 0, the reconstruction, which the others are compared with; added ones come in order."""
    return tuple(strengths) if 0 in strengths else tuple(sorted({*strengths, 0.0}))


def draw_rows(trained: Trained, rows: Sequence[Row], strengths: Sequence[float], title: str) -> Figure:
    """A picture with a row of each image: the image, then its code with the vector added with every strength.

    Strength 0, the reconstruction, has a frame.
    """
    columns, (height, width) = 1 + len(strengths), trained.data.x_shape[1:]
    images = [torch.cat([row.image[None], _moved(trained, row, torch.tensor(strengths))]) for row in rows]
    high = 0.72 * len(rows) * height / width
    figure = new_figure(0.72 * columns + 1.9, high + 0.4, title, trained.title, pictures=high)
    axes = figure.subplots()
    show(axes, image_grid(torch.cat(images), columns))
    for place, row in enumerate(rows):
        label_row(
            axes,
            "\n".join(filter(None, [row.name, row.kind, f"accuracy {row.accuracy:.3f}"])),
            (place + 0.5) * (height + 1),
        )
    bottom = len(rows) * (height + 1)
    caption(axes, ["image", *map(_signed, strengths)], centres(columns, width), bottom + 1)
    for place, strength in enumerate(strengths, 1):
        if strength == 0:
            corner = (place * (width + 1) - 0.5, -0.5)
            axes.add_patch(
                Rectangle(corner, width + 2, bottom + 1, fill=False, edgecolor=ORANGE, linewidth=1.5, clip_on=False)
            )
    return figure


def moving_rows(trained: Trained, rows: Sequence[Row], strengths: Sequence[float], kind: Kind) -> Animation | None:
    """The same images, each in its own tile, from the lowest strength to the highest and back."""
    if kind == "none" or not rows:
        return None
    low, high = min(strengths), max(strengths)
    t = low + (high - low) * (0.5 - 0.5 * torch.cos(torch.linspace(0, torch.pi, _FRAMES)))  # slow where it turns
    moved = torch.stack([_moved(trained, row, t) for row in rows])
    columns, names = min(4, len(rows)), [f"{row.name}{', ' * bool(row.kind)}{row.kind}" for row in rows]
    frames = [
        tiles(
            moved[:, i],
            columns,
            names,
            f"strength {number(s, '+.1f')}",
            _TILE,
            position=(s - low) / ((high - low) or 1),
            footer=trained.title,
        )
        for i, s in enumerate(t.tolist())
    ]
    return Animation(frames, back_and_forth=True, kind=kind)


def _moved(trained: Trained, row: Row, strengths: Tensor) -> Tensor:
    """Images of z + s·v, [S, C, H, W]."""
    return decoded(trained, row.z + strengths[:, None] * row.vector, row.y)


def _signed(strength: float) -> str:
    return "0" if strength == 0 else number(strength, "+g")
