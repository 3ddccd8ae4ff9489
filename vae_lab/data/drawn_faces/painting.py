"""Anti-aliased painting of many pictures at once, from signed distances.

A shape is a function d(x, y) that is negative inside and grows by one per unit of length across its edge. A pixel of
side s at the distance d from an edge is covered by about

    coverage(d) = clip(1/2 − d/s, 0, 1),

so that pixels change continuously when a shape moves, grows or bends. Shapes are painted from back to front, each over
what is there. Coordinates have 0 in the middle of the picture, y downwards; numbers of a picture have the shape
[N, 1, 1], so that they broadcast against x [1, 1, W] and y [1, H, 1].
"""

from dataclasses import dataclass

import torch
from torch import Tensor

Number = Tensor | float


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels with the coordinates of their centres."""

    x: Tensor  # [1, 1, W]
    y: Tensor  # [1, H, 1]
    rows: slice
    columns: slice


class Canvas:
    """N pictures of size × size pixels, RGB in [0, 1]; coordinates run from −``edge`` to ``edge``."""

    def __init__(self, n: int, size: int, edge: float = 1.0) -> None:
        self.size, self.edge, self.pixel = size, edge, 2 * edge / size
        self.pixels = torch.zeros(n, 3, size, size)
        self.centres = (torch.arange(size) + 0.5) * self.pixel - edge

    def window(self, left: float = -1, top: float = -1, right: float = 1, bottom: float = 1) -> Window:
        """Return the pixels that a rectangle touches, so that a small shape costs little."""
        (x0, x1), (y0, y1) = ((int((a + self.edge) / self.pixel), -int(-(b + self.edge) // self.pixel))
                              for a, b in ((left, right), (top, bottom)))  # fmt: skip
        rows, columns = slice(max(y0, 0), min(y1, self.size)), slice(max(x0, 0), min(x1, self.size))
        return Window(self.centres[columns].view(1, 1, -1), self.centres[rows].view(1, -1, 1), rows, columns)

    def paint(self, where: Window, colour: Tensor, alpha: Tensor) -> None:
        """Blend a colour, [N, 3, 1, 1] or [N, 3, H, W], into a window by its opacity [N, H, W]."""
        part = self.pixels[:, :, where.rows, where.columns]
        part += (colour - part) * alpha.unsqueeze(1)

    def darken(self, where: Window, by: Tensor, tint: Tensor | None = None) -> None:
        """Multiply a window by 1 − ``by`` [N, H, W]; ``tint`` [3, 1, 1] are the shares of each channel."""
        by = by.unsqueeze(1)
        self.pixels[:, :, where.rows, where.columns] *= 1 - (by if tint is None else by * tint)

    def cover(self, distance: Tensor) -> Tensor:
        """Return how much of each pixel lies inside, in [0, 1]."""
        return (0.5 - distance / self.pixel).clamp_(0, 1)


def soft(distance: Tensor, width: Number) -> Tensor:
    """Return a smooth step from 1 to 0 across an edge, ``width`` wide on both sides: for shadows and shine."""
    t = (0.5 - distance / (2 * width)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def bell(t: Tensor) -> Tensor:
    """Return exp(−t²); far away it is 2e-9 instead of a number so small that processors compute slowly with it."""
    return torch.exp(-t.square().clamp_max(20))


def ellipse(x: Tensor, y: Tensor, rx: Number, ry: Number) -> Tensor:
    """Return the distance to an ellipse about 0, to first order: (|p| − 1) / |∇|p|| with p = (x/rx, y/ry)."""
    u, v = x / rx, y / ry
    norm = torch.hypot(u, v) + 1e-6
    return (norm - 1) * norm / (torch.hypot(u / rx, v / ry) + 1e-6)


def box(x: Tensor, y: Tensor, width: Number, height: Number, corner: Number) -> Tensor:
    """Return the distance to a rectangle about 0 of these half sides with round corners."""
    u, v = x.abs() - width + corner, y.abs() - height + corner
    return torch.hypot(u.clamp_min(0), v.clamp_min(0)) + torch.maximum(u, v).clamp_max(0) - corner


def stroke(x: Tensor, y: Tensor, a: tuple[Number, Number], b: tuple[Number, Number], width: Number) -> Tensor:
    """Return the distance to a line from a to b of this half width, with round ends."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = (((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy)).clamp(0, 1)
    return torch.hypot(x - a[0] - t * dx, y - a[1] - t * dy) - width


def bumps(where: Window, places: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slopes ∂/∂x and ∂/∂y of a sum of bumps a·exp(−((x−x₀)/s)² − ((y−y₀)/t)²), each [N, H, W].

    Args:
        where: the window.
        places: x₀, y₀, s, t and a of each of the K bumps: [N, K, 5].
    """
    x0, y0, s, t, a = (value.unsqueeze(-1) for value in places.unbind(-1))  # [N, K, 1]
    u, v = (where.x - x0) / s, (where.y.transpose(1, 2) - y0) / t
    across, down = a * bell(u), bell(v)
    return (down.mT @ (across * u * (-2 / s))), ((down * v * (-2 / t)).mT @ across)


def blend(t: Tensor, colours: Tensor) -> Tensor:
    """Return colours between those of a palette [K, 3], evenly spaced from t = 0 to 1: [N, 1, 1] to [N, 3, 1, 1]."""
    place = t.flatten() * (len(colours) - 1)
    low = place.long().clamp(0, len(colours) - 2)
    mixed = torch.lerp(colours[low], colours[low + 1], (place - low).unsqueeze(1))
    return mixed[:, :, None, None]
