"""Procedural sprites: an image of a white shape on black for every combination of dSprites' factors.

dSprites (Matthey et al. 2017, github.com/google-deepmind/dsprites-dataset) is the standard dataset for disentanglement
scores. These images are computed instead of read from its file. The factors, their order and their numbers of values
are the same: shape 3, scale 6 (0.5 … 1), orientation 40, x 32, y 32, with y changing fastest, which gives 737,280
black-and-white images of 64×64 pixels. The differences are:

- A sprite is the set f(u, v) ≤ 0 of an implicit function, evaluated at pixel centres, so the pixels differ.
- Orientation takes 40 equal steps of 2π/40, while the first and the last angle of dSprites are the same.
- Positions are exactly one pixel apart, and no sprite touches the border.

As in dSprites, a square looks the same every 90° and an ellipse every 180°, so their orientation is not identifiable.
Scores on these images are not scores on dSprites.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor

from vae_lab.examples import Examples, Factors, Stored

NAMES = ("shape", "scale", "orientation", "x", "y")
CLASSES = ("square", "ellipse", "heart")
ATTRIBUTES = (*CLASSES, "scale", "sin", "cos", "x", "y")  # the shape is one-hot, the angle a point on the circle
SIZE = 64  # pixels, height and width
TEST_SIZE = 10_000
SCALES = 6
RADIUS = 15.5  # pixels from the centre of a sprite of scale 1 to its farthest point; no position reaches the border
MOST_POSITIONS = 32

Known = Literal["shape", "factors"]
Outline = Callable[[Tensor, Tensor], Tensor]


def _square(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(u.abs(), v.abs()) - math.sqrt(0.5)


def _ellipse(u: Tensor, v: Tensor) -> Tensor:
    return u**2 + (v / 0.6) ** 2 - 1


def _heart(u: Tensor, v: Tensor) -> Tensor:
    """The heart (a² + b² − 1)³ ≤ a² b³, moved and scaled so that it just fits into the unit circle."""
    a, b = 1.25 * u, 1.25 * v + 0.25
    return (a**2 + b**2 - 1) ** 3 - a**2 * b**3


SHAPES: tuple[Outline, ...] = (_square, _ellipse, _heart)


class Sprites:
    """The sprites and their factors.

    Args:
        orientations: number of equal steps in a full turn.
        positions: number of positions in x and in y, one pixel apart and symmetric about the centre of the image.
        labels: 'shape': the shape is the class label; 'factors': all factors are attributes, without class labels.
    """

    def __init__(
        self,
        orientations: Annotated[int, Ge(2)] = 40,
        positions: Annotated[int, Ge(2), Le(MOST_POSITIONS)] = 32,
        labels: Known = "shape",
    ) -> None:
        self.orientations, self.positions, self.labels = orientations, positions, labels

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples, which share their memory; ``root`` is not used."""
        sizes = (len(SHAPES), SCALES, self.orientations, self.positions, self.positions)
        canvases = render(self.orientations, SIZE + self.positions - 1)
        label = f"procedural sprites ({len(canvases)} rendered shapes × {self.positions}² positions), not dSprites"
        angles = 2 * math.pi * torch.arange(self.orientations) / self.orientations
        return factor_images(MovedSprites(canvases), sizes, label, angles if self.labels == "factors" else None)


def render(orientations: int, canvas: int) -> Tensor:
    """Return every shape, scale and orientation in the middle of a canvas: bytes of 0 or 255, [S, canvas, canvas]."""
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
    """Sprites at every position, made when used; implements :class:`vae_lab.examples.Stored`.

    Image (s, x, y) is a 64×64 window into the canvas of sprite s. The windows are overlapping views of a few MB of
    canvases.

    Args:
        canvases: bytes [S, 63 + positions, 63 + positions], with each sprite in the middle of its canvas.
    """

    def __init__(self, canvases: Tensor) -> None:
        self.canvases = canvases
        self.windows = canvases.unfold(1, SIZE, 1).unfold(2, SIZE, 1)  # [S, P, P, 64, 64]
        self.shape = torch.Size([math.prod(self.windows.shape[:3]), 1, SIZE, SIZE])

    @property
    def device(self) -> torch.device:
        """The device that holds the canvases."""
        return self.canvases.device

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the canvases take."""
        return self.canvases.nbytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return the images at positions, long [N], as uint8 [N, 1, 64, 64]."""
        positions = self.windows.shape[1]
        sprite, place = index // positions**2, index % positions**2
        x, y = place // positions, place % positions
        # A window further right shows the sprite further left, and likewise vertically; hence the reversed order.
        return self.windows[sprite, positions - 1 - y, positions - 1 - x].unsqueeze(-3)

    def to(self, device: torch.device) -> "MovedSprites":
        """Return the same images on another device."""
        return MovedSprites(self.canvases.to(device))


def factor_images(
    pixels: Stored, sizes: tuple[int, ...], label: str, angles: Tensor | None = None
) -> tuple[Examples, Examples]:
    """Return the images of all combinations of factors, split into training and test examples by a fixed shuffle.

    Args:
        pixels: one image per combination, the last factor changing fastest.
        sizes: number of values of each factor, shape first.
        label: the name of the images in protocols.
        angles: the angle of each orientation in radians, if all factors are to be attributes; None: shapes are class
            labels.
    """
    total = math.prod(sizes)
    shapes = torch.arange(sizes[0]).repeat_interleave(total // sizes[0])
    targets = shapes if angles is None else factor_attributes(sizes, angles)
    factors = Factors(NAMES, sizes, pixels, label, targets)
    if angles is None:
        examples = Examples(pixels, targets, CLASSES[: sizes[0]], factors=factors)
    else:
        examples = Examples(pixels, targets, factors=factors, attributes=ATTRIBUTES)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0))
    cut = min(TEST_SIZE, total // 10)
    # The test images stay shuffled, since figures show the first ones.
    return examples.part(order[cut:].sort().values), examples.part(order[:cut])


def factor_attributes(sizes: tuple[int, ...], angles: Tensor) -> Tensor:
    """Return all factors of every combination as numbers named ``ATTRIBUTES``: float [product of the sizes, 8].

    The shape is one-hot because it has no order. The orientation is given by its sine and cosine because it is
    periodic. Scale and position range from 0 to 1.
    """
    tables = [torch.eye(sizes[0]), *(torch.linspace(0, 1, n).unsqueeze(1) for n in sizes[1:])]
    tables[2] = torch.stack([angles.sin(), angles.cos()], 1)
    values = torch.unravel_index(torch.arange(math.prod(sizes)), sizes)
    return torch.cat([table[value] for table, value in zip(tables, values)], 1)
