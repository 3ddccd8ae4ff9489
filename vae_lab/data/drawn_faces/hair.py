"""Hair: one set of shapes, whose measures make the styles."""

from dataclasses import astuple, dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from vae_lab.data.drawn_faces.face import RX, RY, STYLES, Face, Y
from vae_lab.data.drawn_faces.head import COOL, outline
from vae_lab.data.drawn_faces.painting import Window, bell, box, ellipse, soft

T = TypeVar("T")


@dataclass(frozen=True)
class Style(Generic[T]):
    """Measures of a style, in half sides of the picture: numbers of one style, or tensors [N, 1, 1] of N faces."""

    volume: T  # how far the hair stands off the head
    high: T  # and how much further on top
    hairline: T  # height of the hairline in the middle
    sides: T  # how far it drops towards the temples, where p = 1
    power: T  # how suddenly it drops: p^power
    parting: T  # the p where it is highest
    length: T  # height where the hair behind the head ends
    spread: T  # half width of the hair behind the head
    curls: T  # depth of the curls of the outline
    bun: T  # radius of the bun
    strands: T  # contrast of single strands
    nape: T  # height where the hair on the head ends at the latest
    bare: T  # 1: the ears are bare


MEASURES = (
    Style(0.020, 0.02, -0.40, 0.33, 4, 0, 0, 0.40, 0.0, 0.0, 0.05, 0.24, 1),  # cropped
    Style(0.040, 0.14, -0.42, 0.36, 3, -0.40, 0, 0.40, 0.0, 0.0, 0.12, 0.24, 1),  # side part
    Style(0.120, 0.14, -0.36, 0.40, 4, 0, 0, 0.58, 0.060, 0.0, 0.10, 0.26, 0),  # curls
    Style(0.030, 0.05, -0.42, 0.36, 4, 0, 0, 0.40, 0.0, 0.20, 0.10, 0.24, 1),  # bun
    Style(0.085, 0.05, -0.26, 0.60, 8, 0, 0.46, 0.58, 0.0, 0.0, 0.10, 1.0, 0),  # bob
    Style(0.080, 0.08, -0.48, 0.80, 2, 0.15, 1.10, 0.60, 0.0, 0.0, 0.13, 1.0, 0),  # long
)
assert len(MEASURES) == len(STYLES)
TOP = -0.40  # height of the upper end of what falls behind the head
_TABLE = torch.tensor([astuple(style) for style in MEASURES])


class Hair:
    """The hair of N faces."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self.style = Style(*(column.view(-1, 1, 1) for column in _TABLE[face.style].unbind(1)))
        self.x = face.x - 0.045 * torch.sin(face.turn)  # the back of the head turns the other way

    def paint_behind(self) -> None:
        """Paint what hangs behind the head, and the bun."""
        face, style = self.face, self.style
        where = face.canvas.window(-0.80, -0.98, 0.80)
        x, y = where.x - self.x, where.y
        back = (self._cap(where) + 0.02).maximum(y - style.nape - style.curls * torch.sin(14 * x).abs())
        if (style.length > 0).any():
            end = style.length + 0.06 * (x / 0.5).square()
            wide = style.spread + 0.04 * y.clamp_min(0)
            fall = box(x, y - (end + TOP) / 2, wide, (end - TOP) / 2, 0.22)
            back = torch.where(style.length > 0, torch.minimum(back, fall), back)
        light = face.lit(1.6 * x, 0.7 * (y - 0.2), torch.full_like(x, 0.55))
        colour = self._colour(0.62 * light, x / (0.30 + 0.1 * y.clamp_min(0)))
        face.canvas.paint(where, colour, face.canvas.cover(back))
        if (style.bun > 0).any():
            self._paint_bun()

    def _paint_bun(self) -> None:
        face, style = self.face, self.style
        where = face.canvas.window(-0.30, -0.98, 0.30, -0.50)
        x, y = where.x - self.x, where.y + 0.74
        light = face.lit(4 * x, 4 * (y - 0.02), torch.full_like(x, 0.6))
        knot = ellipse(x, y, style.bun + 1e-3, 0.85 * style.bun + 1e-3)
        face.canvas.paint(where, self._colour(light, 4 * y + 2 * x), face.canvas.cover(knot) * (style.bun > 0))

    def paint_front(self) -> None:
        """Paint the hair over the forehead and the temples, with its shadow on the skin."""
        face, style = self.face, self.style
        canvas = face.canvas
        where = canvas.window(-0.74, -0.98, 0.74, 0.62)
        x, y = where.x - self.x, where.y
        line, steepness = self._line(where)
        skin = canvas.cover(outline(face, where.x, where.y))
        canvas.darken(where, 0.42 * soft(y - line - 0.03, 0.07) * skin, COOL)
        u, v = x / (RX + style.volume), (y - Y) / (RY + style.volume + style.high)
        depth = (1.05 - u * u - v * v).clamp_min(0.03).sqrt()
        light = face.lit(u, v, depth)
        shape = torch.maximum(self._cap(where), (y - line) / steepness)
        canvas.paint(
            where,
            self._colour(light, u / (0.35 + depth) + style.curls * torch.sin(15 * v), self._sheen(u, v)),
            canvas.cover(shape),
        )

    def _cap(self, where: Window) -> Tensor:
        """Return the distance to the outline of the hair on the head."""
        style = self.style
        x, y = where.x - self.x, where.y - Y
        round_ = ellipse(x, y + 0.5 * style.high, RX + style.volume, RY + style.volume + 0.5 * style.high)
        if not (style.curls > 0).any():
            return round_
        return round_ - style.curls * (torch.cos(6.5 * torch.atan2(x, -y + 0 * x)).abs() - 0.4)

    def _line(self, where: Window) -> tuple[Tensor, Tensor]:
        """Return the height of the hairline, which turns with the face, and √(1 + slope²); hair lies above it."""
        style = self.style
        centre, _ = self.face.across(0, 0.96)
        p = (where.x - centre) / RX
        aside = (p - style.parting).abs().clamp_min(1e-3)
        rise = (aside / (1 + style.parting.abs())) ** style.power
        slope = style.sides * style.power * rise / aside / RX
        line = style.hairline + style.sides * rise + 0.3 * style.curls * torch.sin(20 * p).abs()
        return torch.minimum(line, style.nape), torch.hypot(slope, torch.ones_like(slope)).clamp_max(6)

    def _colour(self, light: Tensor, across: Tensor, sheen: Tensor | None = None) -> Tensor:
        """Return the colour of hair at this brightness; strands run where ``across`` is constant."""
        strands = torch.sin(17 * across) * 0.6 + torch.sin(31 * across + 1.3) * 0.4
        tone = (0.38 + 0.82 * light) * (1 + self.style.strands * strands)
        colour = self.face.hair * tone.unsqueeze(1)
        return colour if sheen is None else colour + (0.25 + 0.5 * self.face.hair) * sheen.unsqueeze(1)

    def _sheen(self, u: Tensor, v: Tensor) -> Tensor:
        """Return the band of light on top of the head, on the side of the light."""
        ring = bell((torch.hypot(u, v) - 0.78) / 0.10)
        return 0.45 * ring * bell((u - 0.42 * self.face.light) / 0.38) * (v < 0)
