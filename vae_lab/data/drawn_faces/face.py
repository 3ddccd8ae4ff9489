"""A batch of faces to be drawn: their factors, and where the parts of a turned head are.

The head is an ellipsoid with half axes ``RX`` and ``RY``. A part at the share a of the half width lies at the angle
arcsin a; when the head turns by θ, it moves to R·RX·sin(arcsin a + θ) and is narrower by cos(arcsin a + θ) / cos(arcsin
a). R is 1 on the surface and larger for what stands out of it, such as the tip of the nose.
"""

import torch
from torch import Tensor

from vae_lab.data.drawn_faces.painting import Canvas, blend

NAMES = (
    "smile", "yaw", "skin", "hair_colour", "hair_style", "glasses", "eye_opening", "eye_distance", "background", "light"
)  # fmt: skip
STYLES = ("cropped", "side part", "curls", "bun", "bob", "long")  # from short to long; the last three are long hair

RX, RY = 0.47, 0.60  # half axes of the head, in half sides of the picture
Y = 0.0  # height of its centre; y points downwards
EDGE = 0.93  # the coordinate of the edges of the picture
TURN = 0.52  # radians of a yaw of 1
SKIN = torch.tensor(
    [[0.99, 0.85, 0.76], [0.95, 0.75, 0.61], [0.83, 0.60, 0.44], [0.62, 0.41, 0.28], [0.41, 0.26, 0.18]]
)
HAIR = torch.tensor(
    [[0.09, 0.08, 0.10], [0.27, 0.16, 0.11], [0.55, 0.27, 0.13], [0.86, 0.66, 0.36], [0.80, 0.79, 0.80]]
)
IRIS = torch.tensor(
    [[0.20, 0.12, 0.07], [0.33, 0.19, 0.09], [0.30, 0.36, 0.18], [0.25, 0.47, 0.62], [0.40, 0.50, 0.58]]
)


class Face:
    """N faces.

    Args:
        factors: float [N, 10] in the order of ``NAMES``; smile, yaw, eye_distance and light in [−1, 1], hair_style the
            index of a style, and the others in [0, 1].
        size: pixels per side.
    """

    def __init__(self, factors: Tensor, size: int) -> None:
        self.canvas = Canvas(len(factors), size, EDGE)
        columns = [column.view(-1, 1, 1) for column in factors.float().unbind(1)]
        self.smile, yaw, skin, hair, style, self.glasses, self.opening, self.distance, self.scene, self.light = columns
        self.style = style.flatten().long()
        self.skin, self.hair, self.iris = blend(skin, SKIN), blend(hair, HAIR), blend(hair, IRIS)
        self.turn = TURN * yaw
        self.x = 0.03 * torch.sin(self.turn)  # the centre of the head
        self.happy, self.sad = self.smile.clamp_min(0), (-self.smile).clamp_min(0)
        self.bend = 0.10 + torch.maximum(0.90 * self.smile, 0.55 * self.smile)  # of the mouth
        self.sun = self._sun()

    def _sun(self) -> Tensor:
        """Return unit vectors towards the light, [3, N, 1, 1, 1]: x to the right, y downwards, z to the viewer."""
        x = 1.05 * self.light
        vector = torch.stack([x, torch.full_like(x, -0.50), torch.full_like(x, 0.80)])
        return vector / vector.norm(dim=0)

    def across(self, a: Tensor | float, out: float = 1.0) -> tuple[Tensor, Tensor]:
        """Return x of a part at the share ``a`` of the half width, and how much narrower turning makes it."""
        start = torch.as_tensor(a).asin()
        now = start + self.turn
        return self.x + out * RX * now.sin(), now.cos() / start.cos()

    def eye(self, side: int, out: float = 1.0) -> tuple[Tensor, Tensor]:
        """Return x of an eye (side −1: the left one in the picture), and how much narrower turning makes it."""
        return self.across(side * (0.435 + 0.05 * self.distance), out)

    def lit(self, nx: Tensor, ny: Tensor, nz: Tensor, wrap: float = 0.35) -> Tensor:
        """Return how bright a surface with these normals is, 0 to 1; ``wrap`` lets light reach round the edge."""
        length = (nx * nx + ny * ny + nz * nz).sqrt() + 1e-6
        towards = (nx * self.sun[0] + ny * self.sun[1] + nz * self.sun[2]) / length
        return ((towards + wrap) / (1 + wrap)).clamp(0, 1)

    def light_on(self, side: int) -> Tensor:
        """Return how much light falls on one side of the face, 0 to 1: [N, 1, 1]."""
        return (0.75 + 0.25 * side * self.light).clamp(0, 1)
