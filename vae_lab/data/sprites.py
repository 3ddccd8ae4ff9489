"""Procedural sprites: one white shape on black for every combination of dSprites' factors, made without any file.

dSprites is Matthey et al. 2017 (github.com/google-deepmind/dsprites-dataset), the standard set for disentanglement
scores. Factors, their order and number of values are its own: shape 3, scale 6 (0.5 … 1), orientation 40, x 32, y 32,
so 737,280 images of 64×64 pixels in black and white, y changing fastest. Where it departs: a sprite is an implicit
function f(u, v) ≤ 0 read at pixel centres, so the bytes are not dSprites' own; orientation takes 40 equal steps of
2π/40, while dSprites' first and last angle are the same; positions are exactly one pixel apart, and no sprite touches
the border. As there, a square looks the same every 90° and an ellipse every 180°: orientation is not identifiable for
them. Scores on these images are not scores on dSprites.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor

from vae_lab.examples import Examples, Factors, Stored

NAMES = ("shape", "scale", "orientation", "x", "y")
CLASSES = ("square", "ellipse", "heart")
ATTRIBUTES = (*CLASSES, "scale", "sin", "cos", "x", "y")  # of all factors: the shape one-hot, the angle as a point
SIZE = 64  # pixels, height and width
TEST_SIZE = 10_000
SCALES = 6
RADIUS = 15.5  # pixels from the centre of a sprite of scale 1 to its farthest point: clear of the border everywhere
MOST_POSITIONS = 32

Known = Literal["shape", "factors"]
Outline = Callable[[Tensor, Tensor], Tensor]


def _square(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(u.abs(), v.abs()) - math.sqrt(0.5)


def _ellipse(u: Tensor, v: Tensor) -> Tensor:
    return u**2 + (v / 0.6) ** 2 - 1


def _heart(u: Tensor, v: Tensor) -> Tensor:
    """(a² + b² − 1)³ ≤ a² b³, moved and scaled so that it just lies within the unit circle."""
    a, b = 1.25 * u, 1.25 * v + 0.25
    return (a**2 + b**2 - 1) ** 3 - a**2 * b**3


SHAPES: tuple[Outline, ...] = (_square, _ellipse, _heart)


class Sprites:
    """The images and their factors.

    Args:
        orientations: steps of the full turn.
        positions: places in each direction, one pixel apart, the middle of the image in their middle.
        labels: 'shape' alone, or all 'factors' as attributes (then there are no class labels).
    """

    def __init__(
        self,
        orientations: Annotated[int, Ge(2)] = 40,
        positions: Annotated[int, Ge(2), Le(MOST_POSITIONS)] = 32,
        labels: Known = "shape",
    ) -> None:
        self.orientations, self.positions, self.labels = orientations, positions, labels

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Train and test, which share their bytes; ``root`` is not used."""
        sizes = (len(SHAPES), SCALES, self.orientations, self.positions, self.positions)
        canvases = render(self.orientations, SIZE + self.positions - 1)
        label = f"procedural sprites ({len(canvases)} rendered shapes × {self.positions}² positions), not dSprites"
        angles = 2 * math.pi * torch.arange(self.orientations) / self.orientations
        return factor_images(MovedSprites(canvases), sizes, label, angles if self.labels == "factors" else None)


def render(orientations: int, canvas: int) -> Tensor:
    """Every shape, scale and orientation in the middle of a canvas: bytes [S, canvas, canvas], 0 or 255."""
    places = torch.arange(canvas, dtype=torch.float64) - (canvas - 1) / 2
    down, right = torch.meshgrid(places, places, indexing="ij")
    sprites = []
    for shape in SHAPES:
        for radius in RADIUS * torch.linspace(0.5, 1, SCALES, dtype=torch.float64):
            for turn in range(orientations):
                angle = 2 * math.pi * turn / orientations
                u = (math.cos(angle) * right + math.sin(angle) * down) / radius
                v = (math.sin(angle) * right - math.cos(angle) * down) / radius
                sprites.append((shape(u, v) <= 0).to(torch.uint8) * 255)
    return torch.stack(sprites)


class MovedSprites:
    """Sprites at every position, :class:`vae_lab.examples.Stored` made when they are asked for.

    Image (s, x, y) is a 64×64 window into the canvas of sprite s: overlapping views of a few MB, no copies.

    Args:
        canvases: bytes [S, 63 + positions, 63 + positions], each sprite in the middle.
    """

    def __init__(self, canvases: Tensor) -> None:
        self.canvases = canvases
        self.windows = canvases.unfold(1, SIZE, 1).unfold(2, SIZE, 1)  # [S, P, P, 64, 64]
        self.shape = torch.Size([math.prod(self.windows.shape[:3]), 1, SIZE, SIZE])

    @property
    def device(self) -> torch.device:
        """Where the canvases are."""
        return self.canvases.device

    @property
    def nbytes(self) -> int:
        """Bytes of the canvases."""
        return self.canvases.nbytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Tensor:
        """Long [N] to uint8 [N, 1, 64, 64]."""
        positions = self.windows.shape[1]
        sprite, place = index // positions**2, index % positions**2
        x, y = place // positions, place % positions  # the further the window, the further back the sprite
        return self.windows[sprite, positions - 1 - y, positions - 1 - x].unsqueeze(-3)

    def to(self, device: torch.device) -> "MovedSprites":
        """The same on another device."""
        return MovedSprites(self.canvases.to(device))


def factor_images(
    pixels: Stored, sizes: tuple[int, ...], label: str, angles: Tensor | None = None
) -> tuple[Examples, Examples]:
    """All combinations of factors as training and test images by a fixed shuffle, labelled by shape.

    Args:
        pixels: one image per combination.
        sizes: values of each factor, shape first.
        label: what the images are called beside scores.
        angles: of each orientation, in radians: the images then have all factors as attributes and no labels.
    """
    total = math.prod(sizes)
    factors = Factors(NAMES, sizes, pixels, label)
    if angles is not None:
        whole = Examples(pixels, factor_attributes(sizes, angles), factors=factors, attributes=ATTRIBUTES)
    else:
        targets = torch.arange(sizes[0]).repeat_interleave(total // sizes[0])
        whole = Examples(pixels, targets, CLASSES[: sizes[0]], factors=factors)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0))
    cut = min(TEST_SIZE, total // 10)
    return whole.part(order[cut:].sort().values), whole.part(order[:cut])  # shuffled: figures show the first of them


def factor_attributes(sizes: tuple[int, ...], angles: Tensor) -> Tensor:
    """All factors of every combination as numbers: float [product of the sizes, 8], named ``ATTRIBUTES``.

    The shape is one-hot since it has no order, the orientation its sine and cosine since it has no end; scale and
    position run from 0 to 1.
    """
    tables = [torch.eye(sizes[0]), *(torch.linspace(0, 1, n).unsqueeze(1) for n in sizes[1:])]
    tables[2] = torch.stack([angles.sin(), angles.cos()], 1)
    values = torch.unravel_index(torch.arange(math.prod(sizes)), sizes)
    return torch.cat([table[value] for table, value in zip(tables, values)], 1)
