"""Animations: frames of pictures, written as GIF or WebP by Pillow, the same file for the same frames.

A figure with a method ``animation(trained)``, which returns an :class:`Animation` or None, has a moving version beside
its still one. It is made of pixels alone, without matplotlib: a frame costs milliseconds.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vae_lab.system.files import write_atomically

Kind = Literal["gif", "webp", "none"]  # the setting of a figure; 'none' leaves the animation out

_TILE = 97  # pixels: images are magnified by a whole number to about this width, 28×28 to 84 and 64×64 to 128
_TEXT = 12  # pixels: height of letters
_SMALL = 10  # and of those of the line at the bottom
_TRACK = 12  # pixels: height of the line that shows the position
_INK, _FAINT, _PAPER = (40, 40, 40), (140, 140, 140), (255, 255, 255)
_SAMPLED = 8  # frames from which the palette of a GIF is made


@dataclass
class Animation:
    """Frames of equal size with the time that each is shown."""

    frames: Sequence[Image.Image]
    milliseconds: int = 80  # per frame; files have multiples of 10
    back_and_forth: bool = False  # play the frames backwards after the last one, without showing the ends twice
    pause: int = 0  # milliseconds for which the last frame is shown longer
    kind: Kind = "gif"

    @property
    def played(self) -> list[Image.Image]:
        """All frames of one round."""
        back = self.frames[-2:0:-1] if self.back_and_forth else []
        return [*self.frames, *back]


def encoded(animation: Animation, kind: Kind | None = None) -> bytes:
    """The content of a file that repeats the animation for ever.

    Args:
        animation: the frames.
        kind: 'gif' or 'webp'; None: that of the animation.
    """
    kind, frames, content = kind or animation.kind, animation.played, io.BytesIO()
    step = max(20, 10 * round(animation.milliseconds / 10))  # browsers replace shorter ones by 100 ms
    durations = [step] * len(frames)
    durations[len(animation.frames) - 1] += 10 * round(animation.pause / 10)
    if kind == "gif":
        frames = _with_one_palette(frames)
        frames[0].save(
            content, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False
        )
    else:
        frames[0].save(
            content, "WEBP", save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=80, method=4
        )
    return content.getvalue()


def save_animation(animation: Animation, folder: Path, name: str) -> Path:
    """Write ``<folder>/<name>.gif`` or ``.webp`` atomically, and return the file.

    Args:
        animation: the frames.
        folder: is created if it does not exist.
        name: the name of the file without its ending.
    """
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{name}.{animation.kind}"
    with write_atomically(path, "wb") as file:
        file.write(encoded(animation))
    return path


def remove_animations(folder: Path, name: str, but: Kind | None = None) -> None:
    """Remove earlier animations of a figure, which no longer belong to it, except the one of a format."""
    for kind in get_args(Kind):
        if kind != but:
            (folder / f"{name}.{kind}").unlink(missing_ok=True)


def tiles(
    images: Tensor,
    columns: int,
    labels: Sequence[str] = (),
    heading: str = "",
    pixels: int = _TILE,
    gap: int | None = None,
    position: float | None = None,
    footer: str = "",
) -> Image.Image:
    """One frame: images [N, C, H, W] in [0, 1] in a grid, each with a label below it.

    Args:
        images: are magnified by a whole number, so that each pixel stays a sharp square.
        columns: images in a row.
        labels: one per image, or none; of one line or several.
        heading: a line above the grid.
        pixels: the size to which images are magnified by the nearest whole number.
        gap: pixels between images; None: a few.
        position: how far the frame is from one end of the movement to the other, 0 to 1, which a dot on a line above
            the grid shows; None: no line.
        footer: a line below the grid, such as the run's key settings; left out where it is wider than the grid.
    """
    height, width = images.shape[2:]
    scale = max(1, round(pixels / max(height, width)))
    wide, high = width * scale, height * scale
    lines = max((label.count("\n") + 1 for label in labels), default=0)
    below, above = lines * (_TEXT + 4), (_TEXT + 8) * bool(heading) + _TRACK * (position is not None)
    gap = max(2, scale) if gap is None else gap
    rows = -(-len(images) // columns)
    size = [gap + columns * (wide + gap), above + gap + rows * (high + below + gap)]
    footer = footer if _font(_SMALL).getlength(footer) <= size[0] - 8 else ""
    size[1] += (_SMALL + 6) * bool(footer)
    frame = Image.new("RGB", (size[0], size[1]), _PAPER)
    draw, small = ImageDraw.Draw(frame), _fitting(labels, wide + gap)
    draw.text((size[0] / 2, 3), heading, _INK, _font(_TEXT), anchor="ma")
    draw.text((size[0] / 2, size[1] - 4), footer, _FAINT, _font(_SMALL), anchor="md")
    if position is not None:
        _draw_track(draw, position, size[0], above - _TRACK / 2)
    for place, picture in enumerate(_pictures(images)):
        left, top = gap + place % columns * (wide + gap), above + gap + place // columns * (high + below + gap)
        frame.paste(picture.resize((wide, high), Image.Resampling.NEAREST), (left, top))
        if labels:
            draw.text((left + wide / 2, top + high + 2), labels[place], _INK, small, anchor="ma", align="center")
    return frame


def _draw_track(draw: ImageDraw.ImageDraw, position: float, width: int, height: float) -> None:
    """A line from one end of the movement to the other, with a dot where the frame is."""
    left, right = width / 2 - min(100, width / 2 - 8), width / 2 + min(100, width / 2 - 8)
    draw.line((left, height, right, height), _FAINT)
    middle = left + (right - left) * position
    draw.ellipse((middle - 3, height - 3, middle + 3, height + 3), _INK)


def _pictures(images: Tensor) -> list[Image.Image]:
    """Images [N, C, H, W] in [0, 1] as pictures in RGB."""
    data = images.detach().float().cpu().clamp(0, 1).mul(255).round().to(torch.uint8).expand(-1, 3, -1, -1)
    return [Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()) for picture in data]


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The letters of the still figures; Pillow's own have no arrows."""
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _fitting(labels: Sequence[str], width: int) -> ImageFont.FreeTypeFont:
    """The letters in which the longest line of the labels is no wider than so many pixels."""
    longest = max((_font(_TEXT).getlength(line) for label in labels for line in label.split("\n")), default=0)
    return _font(_TEXT if longest <= width else max(6, int(_TEXT * width / longest)))


def _with_one_palette(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """The frames in 256 colours that all of them share, so that still parts do not flicker; without dithering."""
    chosen = frames[:: max(1, len(frames) // _SAMPLED)]
    width, height = frames[0].size
    together = Image.new("RGB", (width, height * len(chosen)))
    for place, frame in enumerate(chosen):
        together.paste(frame, (0, place * height))
    palette = together.quantize(256, dither=Image.Dither.NONE)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
