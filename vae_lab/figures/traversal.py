"""Latent traversals: one dimension moves in each row, all others stay.

The rows are ordered by falling KL, and each moves over the range in which the codes of the data lie: the mean of the
aggregate posterior ± ``sd`` standard deviations, whose variance is mean σ² + var μ. Dimensions with a KL below 0.01
nats are left out and counted.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from matplotlib.figure import Figure
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.figures.animation import Animation, Kind, tiles
from vae_lab.figures.image_grids import caption, centres, image_grid, label_inches, label_row, show
from vae_lab.figures.moving_codes import (
    centre,
    codes_of,
    condition_in_words,
    decoded,
    level_in_words,
    means_of,
    test_images,
)
from vae_lab.figures.style import new_figure, number
from vae_lab.latents.aggregate import ACTIVE, Aggregate
from vae_lab.scores import Trained

_FRAMES = 16  # from one end of the range to the other


class Traversal:
    """A row for each active dimension, with its index and KL.

    Args:
        rows: largest number of dimensions shown.
        columns: images in a row.
        sd: how far a dimension moves from its mean over the data, in standard deviations.
        image: position of a test image around whose code the dimensions move; None: around the prior's mean.
        level: of a hierarchy, counted from 0 at the top. Levels above are those of the image, or at the means of their
            priors; levels below are at the means of their priors given the levels above.
        animation: the file of the moving version, in which all dimensions move at once, each in its own tile.
    """

    needs = ("images", "continuous")

    def __init__(
        self,
        rows: PositiveInt = 12,
        columns: Annotated[int, Ge(2)] = 11,
        sd: PositiveFloat = 2.0,
        image: NonNegativeInt | None = None,
        level: NonNegativeInt = 0,
        animation: Kind = "gif",
    ) -> None:
        self.rows, self.columns, self.sd, self.image, self.level, self.kind = rows, columns, sd, image, level, animation

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure.

        Raises:
            UserError: no dimension is active.
        """
        moves = self._moves(trained)
        images = self._decoded(trained, moves, torch.linspace(-1, 1, self.columns))
        height, width = trained.data.x_shape[1:]
        high = 0.55 * len(moves.dims) * height / width
        wide = 0.55 * self.columns + label_inches(moves.names(", "))
        figure = new_figure(wide, high + 0.45, self._title(trained, moves), trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(images, self.columns))
        for row, name in enumerate(moves.names(", ")):
            label_row(axes, name, (row + 0.5) * (height + 1))
        steps = (round(t, 9) for t in torch.linspace(-self.sd, self.sd, self.columns, dtype=torch.float64).tolist())
        ends = [f"{number(step, '+.3g')} sd" if step else "mean" for step in steps]
        caption(axes, ends, centres(self.columns, width), len(moves.dims) * (height + 1) + 1)
        return figure

    def animation(self, trained: Trained) -> Animation | None:
        """All dimensions at once, each in its own tile, there and back."""
        if self.kind == "none":
            return None
        moves = self._moves(trained)
        smooth = -torch.cos(torch.linspace(0, torch.pi, _FRAMES))  # slow at the ends, where it turns
        images = self._decoded(trained, moves, smooth).unflatten(0, (len(moves.dims), _FRAMES))
        columns = min(6, -(-len(moves.dims) // (1 + (len(moves.dims) > 5))))
        names, places = moves.names(" · "), [self.sd * float(place) for place in smooth]
        frames = [
            tiles(
                images[:, frame], columns, names, heading=f"{number(places[frame], '+.1f')} sd",
                position=(float(smooth[frame]) + 1) / 2, footer=trained.title,
            )
            for frame in range(_FRAMES)
        ]  # fmt: skip
        return Animation(frames, back_and_forth=True, kind=self.kind)

    def _moves(self, trained: Trained) -> "_Moves":
        aggregate = Aggregate.of(codes_of(trained, level=self.level))
        above: list[Tensor] = []
        if self.image is None:
            y = trained.conditions(0, 1, trained.noise("condition of the traversal"))
            start, around = centre(trained, aggregate.mean, y, self.level)
        else:
            x, y, _ = test_images(trained, [self.image], 1)
            start, around = means_of(trained, x, y, self.level)[0], f"test image {self.image}"
            above = [means_of(trained, x, y, level) for level in range(self.level)]
        around += condition_in_words(trained, y)
        if not aggregate.active.any():
            raise UserError(_nothing_moves(aggregate))
        return _Moves(aggregate, aggregate.active_order[: self.rows], start, y, above, around)

    def _decoded(self, trained: Trained, moves: "_Moves", steps: Tensor) -> Tensor:
        """Images [rows · T, C, H, W] of every dimension at T places from −1 to 1 of the range."""
        z = moves.start.repeat(len(moves.dims), len(steps), 1)
        for row, dim in enumerate(moves.dims.tolist()):
            z[row, :, dim] = moves.aggregate.mean[dim] + self.sd * moves.aggregate.sd[dim] * steps
        flat = z.flatten(0, 1)
        above = [codes.expand(len(flat), -1) for codes in moves.above]
        return decoded(trained, flat, moves.y, self.level, above=above or None)

    def _title(self, trained: Trained, moves: "_Moves") -> str:
        unused = int((~moves.aggregate.active).sum())
        hidden = int(moves.aggregate.active.sum()) - len(moves.dims)
        counts = [f"{hidden} more not shown"] * bool(hidden) + [f"{unused} inactive left out"] * bool(unused)
        counts += ["≈ is an estimate"] * moves.aggregate.estimated
        level = level_in_words(trained, [self.level])
        return (
            f"Traversals from {moves.around}{level}: each row moves one dimension over the codes' mean ± "
            f"{self.sd:g} sd{'; ' if counts else ''}{', '.join(counts)}"
        )


@dataclass
class _Moves:
    """Which dimensions move, from where, and over which range."""

    aggregate: Aggregate
    dims: Tensor  # long [rows], the dimensions that move
    start: Tensor  # [D], the code from which they do
    y: Tensor | None  # its condition
    above: list[Tensor]  # the codes of the levels above, [1, D] each; empty: the means of their priors
    around: str  # what that code is, in words

    def names(self, separator: str) -> list[str]:
        """``z[3], 2.1 nats`` of each dimension; of a deterministic model, its standard deviation over the data."""
        kl, about = self.aggregate.kl, "≈ " if self.aggregate.estimated else ""
        if kl is None:
            return [f"z[{dim}]{separator}sd {self.aggregate.sd[dim]:.2g}" for dim in self.dims.tolist()]
        return [f"z[{dim}]{separator}{about}{kl[dim]:.2f} nats" for dim in self.dims.tolist()]


def _nothing_moves(aggregate: Aggregate) -> str:
    """Why there is nothing to show, and what helps."""
    if aggregate.kl is None:
        return "all images have the same code, so that no dimension can be moved over a range; train longer"
    return (
        f"no dimension reaches a KL of {ACTIVE} nats, from which on it counts as active; the highest is "
        f"{float(aggregate.kl.max()):.2g} nats; train longer, or with a smaller beta"
    )
