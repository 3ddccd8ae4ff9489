"""Neck, shoulders, ears and the head with its relief, on which light falls."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vae_lab.data.drawn_faces.face import RX, RY, Face, Y
from vae_lab.data.drawn_faces.painting import Window, bell, box, bumps, ellipse, soft

SHADE = torch.tensor([0.50, 0.40, 0.40]).view(3, 1, 1)  # what is left of each channel of skin in the dark
GLOW = torch.tensor([1.08, 1.04, 1.00]).view(3, 1, 1)  # and in full light
COOL = torch.tensor([0.75, 1.0, 1.0]).view(3, 1, 1)  # shadows on skin take less of its red
BLUSH = torch.tensor([0.93, 0.42, 0.38]).view(1, 3, 1, 1)


def paint_body(face: Face, shirt: Tensor) -> None:
    """Paint the neck and the shoulders in a shirt of this colour [N, 3, 1, 1]."""
    canvas = face.canvas
    where = canvas.window(top=0.3)
    x, y = where.x, where.y
    neck = box(x - face.x * 0.5, y - 0.7, 0.22, 0.5, 0.05)
    light = face.lit((x - face.x * 0.5) / 0.27 + 0 * y, 0 * x + 0 * y, (1 - (x / 0.27).square()).clamp_min(0.05).sqrt())
    chin = soft(outline(face, where.x, where.y - 0.13), 0.09)  # its shadow
    canvas.paint(where, skin_in(face, light * (1 - 0.75 * chin)), canvas.cover(neck))

    u, v = x / 0.92, (y - 1.20) / 0.56
    body = ellipse(x, y - 1.20, 0.92, 0.56)
    light = face.lit(1.35 * u, 0.8 * v, (1.15 - u * u - v * v).clamp_min(0.02).sqrt(), wrap=0.5)
    folds = 0.05 * torch.sin(9 * u.abs() + 5 * y)
    opening = ellipse(x - face.x * 0.5, y - 0.65, 0.28, 0.16)
    canvas.paint(where, shirt * (0.42 + 0.70 * light + folds).unsqueeze(1), canvas.cover(torch.maximum(body, -opening)))
    collar = torch.maximum(torch.maximum(opening - 0.05, -opening), body)
    canvas.paint(where, shirt * (0.30 + 0.55 * light).unsqueeze(1), canvas.cover(collar))


def paint_ears(face: Face) -> None:
    """Paint both ears; the head, painted later, hides the one that has turned away."""
    for side in (-1, 1):
        _paint_ear(face, side, torch.ones_like(face.turn))


def paint_near_ear(face: Face, bare: Tensor) -> None:
    """Paint the ear that has turned to the viewer over head and hair, where the style leaves it bare, 0 or 1."""
    if not bare.any():
        return
    for side in (-1, 1):
        _paint_ear(face, side, bare * (0.5 - side * face.turn / 0.12).clamp(0, 1))


def _paint_ear(face: Face, side: int, alpha: Tensor) -> None:
    canvas = face.canvas
    where = canvas.window(-0.62, -0.16, -0.22, 0.28) if side < 0 else canvas.window(0.22, -0.16, 0.62, 0.28)
    cx, near = face.across(side * 0.99)[0] + 0.03 * side, (-side * face.turn).clamp_min(0)
    x, y = where.x - cx, where.y - 0.05
    x = x + side * 0.12 * y  # ears lean outwards
    light = face.lit(side * 0.5 + 4 * x, 3 * y, torch.full_like(x + y, 0.8))
    canvas.paint(where, skin_in(face, 0.92 * light), alpha * canvas.cover(ellipse(x, y, 0.062 + 0.04 * near, 0.130)))
    inner = ellipse(x - side * 0.010, y + 0.005, 0.028 + 0.025 * near, 0.080)
    canvas.darken(where, 0.36 * alpha * soft(inner, 0.03), COOL)


def outline(face: Face, x: Tensor, y: Tensor) -> Tensor:
    """Return the distance to the head's outline: an ellipse whose jaw is narrower and follows the turn."""
    v = (y - Y) / RY
    down = v.clamp_min(0)
    width = 1 - 0.20 * down * down + 0.035 * bell((v - 0.30) / 0.25)
    return ellipse((x - face.x - 0.05 * torch.sin(face.turn) * v) / width, y - Y, RX, RY)


def paint_head(face: Face) -> None:
    """Paint the head: skin, shaded by the direction of its surface against the light."""
    canvas = face.canvas
    where = canvas.window(-0.62, -0.64, 0.62, 0.64)
    nx, ny, nz = _normals(face, where)
    light = face.lit(nx, ny, nz)
    colour = skin_in(face, light) + _shine(face, nx, ny, nz).unsqueeze(1)
    for side in (-1, 1):
        x, narrow = face.across(side * 0.50)
        spot = bell((where.x - x) / (0.13 * narrow)) * bell((where.y - 0.19) / 0.10)
        colour = torch.lerp(colour, BLUSH * colour.amax(1, True), (spot * (0.20 + 0.16 * face.happy)).unsqueeze(1))
    canvas.paint(where, colour, canvas.cover(outline(face, where.x, where.y)))


def skin_in(face: Face, light: Tensor) -> Tensor:
    """Return the colour of skin at this brightness: [N, H, W] in 0 … 1 to [N, 3, H, W]."""
    return face.skin * torch.lerp(SHADE, GLOW, light.unsqueeze(1))


def _normals(face: Face, where: Window) -> tuple[Tensor, Tensor, Tensor]:
    u, v = (where.x - face.x) / (RX * 1.04), (where.y - Y) / (RY * 1.04)
    depth = (1 - u * u - v * v).clamp_min(0.02).sqrt()
    sx, sy = bumps(where, _relief(face))
    return u - depth * sx, v * 0.85 - depth * sy, depth


def _relief(face: Face) -> Tensor:
    """Return the bumps of nose, cheeks, sockets, brow, lips and chin: [N, K, 5], see :func:`bumps`."""
    happy = face.happy
    parts: list[Sequence[Tensor]] = []

    def add(a: float, y: Tensor | float, s: float, t: float, height: Tensor | float, out: float = 1.0) -> None:
        x, narrow = face.across(a, out)
        parts.append(torch.broadcast_tensors(*map(torch.as_tensor, (x, y, s * narrow, t, height))))

    add(0, 0.03, 0.060, 0.16, 0.042, 1.08)  # bridge of the nose
    add(0, 0.165, 0.085, 0.075, 0.085, 1.2)  # its tip
    for side in (-1, 1):
        add(side * 0.13, 0.185, 0.04, 0.04, 0.020, 1.12)  # its wings
        add(side * 0.50, 0.20 - 0.03 * happy, 0.15, 0.11, 0.05 + 0.05 * happy)  # cheeks
        add(side * 0.43, -0.03, 0.12, 0.075, -0.06)  # sockets
        add(side * 0.36, -0.16, 0.17, 0.05, 0.022)  # brows
    add(0, 0.335, 0.17, 0.085, 0.035, 1.05)  # mouth
    add(0, 0.415, 0.10, 0.03, -0.022, 1.05)  # below the lip
    add(0, 0.50, 0.12, 0.07, 0.05)  # chin
    return torch.stack([torch.stack(list(part), -1).flatten(1) for part in parts], 1)


def _shine(face: Face, nx: Tensor, ny: Tensor, nz: Tensor) -> Tensor:
    """Return the highlight, white, where the surface mirrors the light (Blinn-Phong)."""
    hx, hy, hz = face.sun[0], face.sun[1], face.sun[2] + 1
    towards = (nx * hx + ny * hy + nz * hz) / ((nx * nx + ny * ny + nz * nz) * (hx * hx + hy * hy + hz * hz)).sqrt()
    return 0.20 * towards.clamp_min(0.3) ** 24
