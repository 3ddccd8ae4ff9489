"""Glasses: two lenses with glare, a bridge, and temples that reach to the ears."""

import torch
from torch import Tensor

from vae_lab.data.drawn_faces.face import Face
from vae_lab.data.drawn_faces.features import EYE_Y
from vae_lab.data.drawn_faces.head import COOL
from vae_lab.data.drawn_faces.painting import box, soft, stroke

FRAME = torch.tensor([0.10, 0.09, 0.12]).view(1, 3, 1, 1)
GLARE = torch.tensor([0.94, 0.97, 1.0]).view(1, 3, 1, 1)
WIDTH, HEIGHT, CORNER, RIM = 0.172, 0.140, 0.105, 0.021  # half sides, radius, and half the width of the frame


def paint_temples(face: Face) -> None:
    """Paint what reaches from the lenses to the ears, below the hair."""
    canvas = face.canvas
    where = canvas.window(-0.56, -0.14, 0.56, 0.10)
    for side in (-1, 1):
        cx, narrow = face.eye(side, 1.07)
        ear = face.across(side * 0.99)[0]
        line = stroke(where.x, where.y, (cx + side * WIDTH * narrow.clamp_min(0.3), EYE_Y), (ear, EYE_Y + 0.01), 0.016)
        canvas.paint(where, FRAME, canvas.cover(line) * face.glasses)


def paint_glasses(face: Face) -> None:
    """Paint glasses with the opacity of the factor: 0 none, 1 glasses."""
    canvas, worn = face.canvas, face.glasses
    where = canvas.window(-0.60, -0.28, 0.60, 0.26)
    x, y = where.x, where.y - EYE_Y - 0.015
    inner: list[Tensor] = []
    for side in (-1, 1):
        cx, narrow = face.eye(side, 1.07)
        width = WIDTH * narrow.clamp_min(0.3)
        inner.append(cx - side * width)
        lens = box(x - cx, y, width, HEIGHT, CORNER * narrow.clamp(0.3, 1))
        canvas.darken(
            where, 0.30 * worn * soft((box(x - cx, y - 0.045, width, HEIGHT, CORNER * 0.3)).abs(), 0.045), COOL
        )
        glass = canvas.cover(lens) * worn
        canvas.paint(where, GLARE, 0.10 * glass)
        streak = (x - cx) + 0.55 * y - 0.09 * face.light * narrow  # a slanted mirror of the light
        canvas.paint(where, GLARE, 0.55 * glass * soft(streak.abs() - 0.022, 0.016) * soft(y - 0.05, 0.09))
        canvas.paint(where, FRAME, canvas.cover(lens.abs() - RIM) * worn)
        edge = soft((lens.abs() - 0.002).maximum(y + 0.06), 0.016)
        canvas.paint(where, GLARE, 0.35 * edge * worn)
    bridge = stroke(x, y + 0.02, (inner[0], 0.0), (inner[1], 0.0), 0.018)
    canvas.paint(where, FRAME, canvas.cover(bridge) * worn)
