"""Eyes, brows, nose and mouth."""

import torch
from torch import Tensor

from vae_lab.data.drawn_faces.face import Face
from vae_lab.data.drawn_faces.head import COOL
from vae_lab.data.drawn_faces.painting import Canvas, bell, ellipse, soft, stroke

EYE_Y, BROW_Y, NOSE_Y, MOUTH_Y = -0.03, -0.215, 0.20, 0.355


def _colour(r: float, g: float, b: float) -> Tensor:
    return torch.tensor([r, g, b]).view(1, 3, 1, 1)


WHITE, TEETH, DARK, LIP = (
    _colour(0.97, 0.96, 0.95), _colour(0.97, 0.95, 0.91), _colour(0.09, 0.06, 0.06), _colour(0.70, 0.27, 0.28)
)  # fmt: skip


def paint_eyes(face: Face) -> None:
    """Paint the eyes: white, iris and pupil between the lids, lashes, and the fold of the upper lid."""
    canvas = face.canvas
    for side in (-1, 1):
        where = canvas.window(-0.49, -0.20, 0.18, 0.12) if side < 0 else canvas.window(-0.18, -0.20, 0.49, 0.12)
        cx, narrow = face.eye(side)
        width = 0.128 * narrow
        x, y = where.x - cx, where.y - EYE_Y
        p = x / width
        arc = 1 - p * p  # 1 in the middle, 0 at the corners
        upper = -(0.034 + 0.072 * face.opening) * arc - 0.010 * side * p  # outer corners are higher
        lower = (0.040 - 0.022 * face.happy) * arc - 0.010 * side * p
        bend = (1 + (1.6 * p * (upper - lower).detach() / width).square()).sqrt()
        inside = torch.maximum(upper - y, y - lower) / bend
        gap = canvas.cover(inside) * canvas.cover(x.abs() - width)
        canvas.paint(where, WHITE * (0.70 + 0.30 * face.light_on(side)).unsqueeze(1), gap)
        canvas.darken(where, gap * 0.35 * soft(upper + 0.030 - y, 0.03).neg().add(1))
        ix = x + 0.05 * torch.sin(face.turn) * narrow + 0.004 * side  # looks back to the viewer
        iy = y + 0.012
        round_ = ellipse(ix, iy, 0.070 * (0.5 + 0.5 * narrow), 0.072)
        iris = face.iris * (0.75 + 2.6 * (iy + 0.02).clamp(-0.06, 0.08)).unsqueeze(1)
        canvas.paint(where, iris, gap * canvas.cover(round_))
        canvas.darken(where, gap * 0.55 * canvas.cover(round_.abs() - 0.010))
        canvas.paint(where, DARK, gap * canvas.cover(round_ + 0.036))
        glint = ellipse(ix - 0.030 * face.light, iy + 0.028, 0.021, 0.021)
        canvas.paint(where, WHITE, gap * canvas.cover(glint))
        ends = canvas.cover(x.abs() - 1.10 * width)
        lash = ((y - upper).abs() / bend - 0.017 - 0.006 * side * p).maximum(x.abs() - 1.1 * width)
        canvas.paint(where, DARK + 0.10 * face.hair, canvas.cover(lash) * 0.92)
        fold = (y - upper * 1.25 + 0.040).abs() / bend - 0.012
        canvas.darken(where, 0.34 * soft(fold, 0.020) * ends, COOL)
        canvas.darken(where, 0.22 * soft((y - lower - 0.010).abs() - 0.004, 0.018) * ends, COOL)


def paint_brows(face: Face) -> None:
    """Paint the brows: thick inside, thin outside; raised by open eyes, oblique in a sad face."""
    canvas = face.canvas
    colour = face.hair * 0.62
    for side in (-1, 1):
        where = canvas.window(-0.52, -0.38, 0.22, -0.06) if side < 0 else canvas.window(-0.22, -0.38, 0.52, -0.06)
        cx, narrow = face.eye(side)
        width = 0.150 * narrow
        x, y = where.x - cx, where.y - BROW_Y + 0.050 * (face.opening - 0.5) + 0.014 * face.happy
        p = side * x / width  # −1 at the nose, 1 outside
        middle = -0.030 * (1 - (p - 0.2).square()) + (0.014 + 0.026 * face.sad) * p
        slope = (1 + (0.060 * (p - 0.2) / width).square()).sqrt()
        thick = 0.023 - 0.010 * p
        canvas.paint(where, colour, 0.92 * canvas.cover(((y - middle).abs() / slope - thick).maximum(x.abs() - width)))


def paint_nose(face: Face) -> None:
    """Paint the shadow beside and below the nose, and its nostrils."""
    canvas = face.canvas
    where = canvas.window(-0.36, -0.12, 0.36, 0.36)
    tip, narrow = face.across(0, 1.18)
    base, _ = face.across(0, 1.06)
    away = -face.light - 0.6 * torch.sin(face.turn)
    x, y = where.x, where.y
    fall = ellipse(x - tip - 0.05 * away, y - NOSE_Y - 0.012, 0.085 * narrow, 0.035)
    canvas.darken(where, 0.26 * soft(fall, 0.045), COOL)
    ridge = stroke(x, y, (base + 0.055 * away, -0.04), (tip + 0.075 * away, NOSE_Y - 0.05), 0.004)
    canvas.darken(where, 0.17 * away.abs().clamp_max(1) * soft(ridge, 0.045), COOL)
    for side in (-1, 1):
        hole = ellipse(x - tip - side * 0.042 * narrow, y - NOSE_Y - 0.008, 0.022, 0.013)
        canvas.darken(where, 0.62 * soft(hole, 0.022), COOL)


def paint_mouth(face: Face) -> None:
    """Paint the lips along a parabola that the smile bends, and teeth where a wide smile opens them."""
    canvas = face.canvas
    where = canvas.window(-0.46, 0.18, 0.46, 0.60)
    cx, narrow = face.across(0, 1.06)
    width = (0.165 + 0.075 * face.happy) * narrow
    x, y = where.x - cx, where.y - MOUTH_Y + 0.022 * face.happy
    p = x / width
    arc = (1 - p * p).clamp_min(0)
    line = face.bend * (0.055 - 0.120 * p * p)  # where the lips meet; below 0 is up
    gap = 0.125 * (face.smile - 0.1).clamp_min(0) * arc
    bow = 0.010 * bell(p / 0.16)  # of the upper lip
    top = line - (0.034 - 0.008 * face.happy) * arc.sqrt() + bow
    below = line + gap
    bottom = below + (0.046 - 0.006 * face.happy) * arc
    bend = (1 + (0.24 * face.bend * p / width).square()).sqrt()
    ends = canvas.cover(x.abs() - width)

    def between(upper: Tensor, under: Tensor) -> Tensor:
        return canvas.cover(torch.maximum(upper - y, y - under) / bend) * ends

    lip = torch.lerp(face.skin, LIP, 0.58) * (0.80 + 0.20 * face.skin.amax(1, True))
    canvas.paint(where, lip * 0.84, between(top, line + 0.004))
    canvas.paint(where, lip, between(below, bottom))
    shine = ellipse(x - 0.03 * face.light, y - below - 0.020, 0.055, 0.012)
    canvas.paint(where, WHITE, 0.28 * soft(shine, 0.02) * between(below, bottom))
    canvas.paint(where, DARK + 0.10 * lip, between(line, below))
    canvas.paint(where, TEETH * 0.97, between(line + 0.004, below - 0.010) * (gap / 0.03).clamp(0, 1))
    seam = ((y - line).abs() / bend - 0.009).maximum(x.abs() - width * 1.02)
    canvas.darken(where, 0.60 * canvas.cover(seam) * (1 - gap / 0.05).clamp(0, 1), COOL)
    canvas.darken(where, 0.20 * soft(ellipse(x, y - bottom.amax(-1, True) - 0.025, 0.09, 0.016), 0.025), COOL)
    _paint_dimples(canvas, face, width)


def _paint_dimples(canvas: Canvas, face: Face, width: Tensor) -> None:
    """Paint the corners of the mouth and the folds that a smile makes from the nose down."""
    where = canvas.window(-0.50, 0.10, 0.50, 0.50)
    cx, narrow = face.across(0, 1.06)
    for side in (-1, 1):
        corner = cx + side * width
        y = MOUTH_Y - 0.022 * face.happy - 0.06 * face.bend
        canvas.darken(where, 0.30 * soft(ellipse(where.x - corner, where.y - y, 0.02, 0.02), 0.03), COOL)
        fold = stroke(
            where.x, where.y, (cx + side * 0.115 * narrow, NOSE_Y), (corner + side * 0.045 * narrow, y), 0.002
        )
        canvas.darken(where, (0.05 + 0.19 * face.happy) * soft(fold, 0.028), COOL)
