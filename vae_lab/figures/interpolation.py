"""Lines between test images in the latent space: A, its reconstruction, steps, the reconstruction of B, and B.

The ends are posterior means. A conditional model's label moves along with the code, from that of A to that of B.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Len
from matplotlib.figure import Figure
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from vae_lab.figures.animation import Animation, Kind, tiles
from vae_lab.figures.image_grids import caption, centres, image_grid, label_inches, label_row, show
from vae_lab.figures.moving_codes import (
    check_level,
    codes_of,
    decoded,
    level_in_words,
    means_of,
    soft,
    test_images,
)
from vae_lab.figures.style import new_figure
from vae_lab.inference import code_sizes
from vae_lab.latents.lines import along
from vae_lab.scores import Trained

Path = Literal["linear", "spherical", "both"]
Pair = Annotated[list[NonNegativeInt], Len(2, 2)]
_FRAMES = 16  # from A to B


@dataclass
class _Ends:
    """The ends of all lines: R pairs of codes, one tensor per level that moves, the top first."""

    a: list[Tensor]  # [R, D] each
    b: list[Tensor]
    y: tuple[Tensor, Tensor] | None  # the conditions as numbers, [R, y_size] each
    sides: tuple[Tensor, Tensor] | None  # images left and right of the lines, [R, 1 or 2, C, H, W]; None for classes
    names: list[str]  # of the rows
    level: int  # of the first of these tensors


class Interpolation:
    """A row for each pair of images, or of classes.

    Args:
        rows: number of pairs.
        steps: codes on each line, both ends included.
        path: straight lines, lines on great circles (which do not pass near the origin, where high-dimensional
            Gaussians have hardly any mass), or both, one below the other; a label alone has one path.
        pairs: positions of test images, ``[[3, 17], [8, 21]]``; None: images of successive classes.
        between: 'images', or 'classes': lines between the mean codes of classes; of a conditional model, the code of an
            image stays and its label moves.
        level: of a hierarchy, 0 is the top, with the levels below at the means of their priors; 'all': all levels move.
            None: the top, or all levels of discrete codes, whose priors have no means.
        animation: the file of the moving version.
    """

    needs = ("images",)
    requires = "at least two test images, and for between=classes at least two labels"

    def __init__(
        self,
        rows: PositiveInt = 6,
        steps: Annotated[int, Ge(2)] = 9,
        path: Path = "linear",
        pairs: list[Pair] | None = None,
        between: Literal["images", "classes"] = "images",
        level: NonNegativeInt | Literal["all"] | None = None,
        animation: Kind = "gif",
    ) -> None:
        self.rows, self.steps, self.path, self.pairs = rows, steps, path, pairs
        self.between, self.level, self.kind = between, level, animation

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None with fewer than two images or classes."""
        ends = self._ends(trained)
        if ends is None:
            return None
        paths = ["linear", "spherical"] if self._path(trained) == "both" else [self._path(trained)]
        t = torch.linspace(0, 1, self.steps)
        moved = torch.stack([_decoded(trained, ends, t, path == "spherical") for path in paths], 1).flatten(0, 1)
        sides = [side.repeat_interleave(len(paths), 0) for side in ends.sides or ()]
        rows = torch.cat([sides[0], moved, sides[1]], 1) if sides else moved
        columns, (height, width) = rows.shape[1], trained.data.x_shape[1:]
        high = 0.6 * len(rows) * height / width
        names = [f"{name}{f', {path}' if len(paths) > 1 else ''}" for name in ends.names for path in paths]
        wide = 0.6 * columns + label_inches(names)
        figure = new_figure(wide, high + 0.45, self._title(trained), trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(rows.flatten(0, 1), columns))
        for row, name in enumerate(names):
            label_row(axes, name, (row + 0.5) * (height + 1))
        if sides:
            texts = ["A", "A from\nits code", *[""] * (columns - 4), "B from\nits code", "B"]
            caption(axes, texts, centres(columns, width), len(rows) * (height + 1) + 1)
        return figure

    def animation(self, trained: Trained) -> Animation | None:
        """All pairs at once, each in its own tile, there and back."""
        ends = self._ends(trained) if self.kind != "none" else None
        if ends is None:
            return None
        slow = 0.5 - 0.5 * torch.cos(torch.linspace(0, torch.pi, _FRAMES))  # near the ends, where it turns
        moved = _decoded(trained, ends, slow, self._path(trained) == "spherical")
        columns = min(6, len(moved))
        frames = [
            tiles(moved[:, frame], columns, ends.names, position=float(slow[frame]), footer=trained.title)
            for frame in range(_FRAMES)
        ]
        return Animation(frames, back_and_forth=True, kind=self.kind)

    def _path(self, trained: Trained) -> Path:
        """Where the code stays and the label moves, all paths are the same."""
        return "linear" if self.between == "classes" and trained.model.conditional else self.path

    def _levels(self, trained: Trained) -> list[int]:
        """The levels that move."""
        every = list(range(len(trained.model.latent_shapes)))
        if self.level == "all" or (self.level is None and code_sizes(trained.model)):
            return every
        check_level(trained, self.level or 0)
        return [self.level or 0]

    def _ends(self, trained: Trained) -> _Ends | None:
        levels = self._levels(trained)
        if self.between == "classes":
            return self._of_classes(trained, levels)
        chosen = None if self.pairs is None else [place for pair in self.pairs for place in pair]
        x, y, places = test_images(trained, chosen, self.rows + 1)
        if len(places) < 2:
            return None
        if chosen is None:  # each image is the end of one line and the start of the next
            first, second = torch.arange(len(places) - 1), torch.arange(1, len(places))
        else:
            first, second = torch.arange(0, len(places), 2), torch.arange(1, len(places), 2)
        codes = [means_of(trained, x, y, level) for level in levels]
        mixed, shown = soft(y, trained), x.cpu()[:, None]
        if len(levels) < len(trained.model.latent_shapes):  # otherwise each line ends at the reconstructions
            shown = torch.stack([x, trained.reconstruct(x, y)], 1).cpu()
        names = [f"{_name(trained, places[a])} → {_name(trained, places[b])}" for a, b in zip(first, second)]
        return _Ends(
            [z[first] for z in codes], [z[second] for z in codes],
            None if mixed is None else (mixed[first], mixed[second]),
            (shown[first], shown[second].flip(1)), names, levels[0],
        )  # fmt: skip

    def _of_classes(self, trained: Trained, levels: list[int]) -> _Ends | None:
        """Lines from each class to the next one."""
        labels, names = trained.data.test.labels, trained.data.classes
        if labels is None or len(names) < 2:
            return None
        rows = min(self.rows, len(names) - 1)
        arrows = [f"{a} → {b}" for a, b in pairwise(names[: rows + 1])]
        if trained.model.conditional:
            x, y, _ = test_images(trained, None, rows)
            codes = [means_of(trained, x, y, level) for level in levels]
            hot = torch.eye(trained.data.y_size)
            return _Ends(codes, codes, (hot[:rows], hot[1 : rows + 1]), None, arrows, levels[0])
        means = [codes_of(trained, level=level).mean for level in levels]
        of = [torch.stack([z[labels == label].mean(0) for label in range(rows + 1)]) for z in means]
        return _Ends([z[:-1] for z in of], [z[1:] for z in of], None, None, arrows, levels[0])

    def _title(self, trained: Trained) -> str:
        """What moves, and along which lines."""
        paths = "linear and spherical" if self.path == "both" else self.path
        conditional, which = trained.model.conditional, level_in_words(trained, self._levels(trained))
        if self.between == "classes" and conditional:
            return "The label moves from one class to the next, with the code of an image of the first"
        if self.between == "classes":
            ends = "the mean codes of classes"
        else:
            ends = "test images A and B" + (" and between their conditions" if conditional else "")
        return f"{paths.capitalize()} interpolation between {ends}{which}"


def _decoded(trained: Trained, ends: _Ends, t: Tensor, spherical: bool) -> Tensor:
    """Images of all lines at the places t [T], [R, T, C, H, W]."""
    lines = [torch.cat([along(a, b, t, spherical) for a, b in zip(start, end)]) for start, end in zip(ends.a, ends.b)]
    y = None
    if ends.y is not None:
        y = torch.cat([torch.lerp(a, b, t[:, None]) for a, b in zip(*ends.y)])
    images = decoded(trained, lines[0], y, ends.level, lines[1:] or None)
    return images.unflatten(0, (len(ends.names), len(t)))


def _name(trained: Trained, place: int) -> str:
    """The class of a test image, or its position."""
    labels = trained.data.test.labels
    return f"#{place}" if labels is None else trained.data.classes[int(labels[place])]
