"""Draws faces: factors in, images out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from vae_lab.data.drawn_faces.face import NAMES, Face
from vae_lab.data.drawn_faces.features import paint_brows, paint_eyes, paint_mouth, paint_nose
from vae_lab.data.drawn_faces.glasses import paint_glasses, paint_temples
from vae_lab.data.drawn_faces.hair import Hair
from vae_lab.data.drawn_faces.head import paint_body, paint_ears, paint_head, paint_near_ear
from vae_lab.data.drawn_faces.painting import blend

SIZE = 64
SCENES = torch.tensor(
    [
        [0.93, 0.73, 0.52],
        [0.86, 0.47, 0.42],
        [0.56, 0.40, 0.60],
        [0.30, 0.47, 0.70],
        [0.36, 0.66, 0.68],
        [0.62, 0.74, 0.50],
    ]
)
SHIRTS = torch.tensor(
    [
        [0.20, 0.36, 0.48],
        [0.93, 0.88, 0.80],
        [0.88, 0.66, 0.30],
        [0.86, 0.42, 0.34],
        [0.24, 0.26, 0.36],
        [0.55, 0.28, 0.38],
    ]
)
_AT_ONCE = 32  # faces drawn together, so that their numbers stay in the processor's cache


def draw(factors: Tensor, size: int = SIZE) -> Tensor:
    """Return faces as bytes: float [N, 10] in the order of ``NAMES`` to uint8 [N, 3, size, size]."""
    images = torch.empty(len(factors), 3, size, size, dtype=torch.uint8)
    order = factors[:, NAMES.index("hair_style")].argsort()  # faces of one style skip what only others have
    with _one_thread():
        for part in order.split(_AT_ONCE):
            images[part] = _draw(factors[part], size)
    return images


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: several would wait for each other longer than they compute on pictures this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _draw(factors: Tensor, size: int) -> Tensor:
    face = Face(factors, size)
    hair = Hair(face)
    _paint_scene(face)
    hair.paint_behind()
    paint_body(face, blend(face.scene, SHIRTS))
    paint_ears(face)
    paint_head(face)
    paint_eyes(face)
    paint_nose(face)
    paint_mouth(face)
    paint_temples(face)
    hair.paint_front()
    paint_near_ear(face, hair.style.bare)
    paint_brows(face)
    paint_glasses(face)
    return face.canvas.pixels.clamp_(0, 1).mul_(255).round_().to(torch.uint8)


def _paint_scene(face: Face) -> None:
    """Paint a wall with a glow on the side of the light."""
    where = face.canvas.window()
    x, y = where.x - 0.55 * face.light, where.y + 0.35
    glow = torch.exp(-(x * x + y * y) / 0.9)
    tone = 0.72 + 0.42 * glow - 0.10 * where.y
    face.canvas.pixels[:] = blend(face.scene, SCENES) * tone.unsqueeze(1)
