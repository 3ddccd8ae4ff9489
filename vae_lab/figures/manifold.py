"""The manifold of images: a plane of the latent space, decoded on a grid (Kingma & Welling, arXiv 1312.6114, figure 4).

Column i of n is at the quantile Φ⁻¹((i + ½)/n) of N(0, 1), so that every column has the same share of the prior, and
likewise every row; z₂ grows upwards, as in any plot.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Len
from matplotlib.figure import Figure
from PIL import Image
from pydantic import NonNegativeInt
from torch import Tensor

from vae_lab.errors import UserError, counted
from vae_lab.figures.animation import Kind, tiles
from vae_lab.figures.image_grids import image_grid
from vae_lab.figures.moving_codes import centre, codes_of, condition_in_words, decoded, level_in_words
from vae_lab.figures.style import new_figure, number
from vae_lab.latents.aggregate import Aggregate
from vae_lab.latents.codes import Codes
from vae_lab.scores import Trained

_TICKS = 5  # on each axis
_SMALL = 14  # rows of a frame of the animation at most
_ENCODED = 1000  # test images that are encoded for such a frame


@dataclass
class _Plane:
    """The two dimensions that move, and where."""

    dims: list[int]  # one or two
    places: list[Tensor]  # the coordinates of each dimension, [size]
    start: Tensor  # [D], the code of all other dimensions
    y: Tensor | None
    aggregate: Aggregate
    others: str  # where the other dimensions are, in words

    @property
    def codes(self) -> Tensor:
        """The grid row by row, the highest z₂ first: [rows · size, D]."""
        rows = self.places[1].flip(0) if len(self.dims) > 1 else self.start[:1]
        z = self.start.repeat(len(rows), len(self.places[0]), 1)
        z[..., self.dims[0]] = self.places[0]
        if len(self.dims) > 1:
            z[..., self.dims[1]] = rows[:, None]
        return z.flatten(0, 1)


class Manifold:
    """A grid of decoded codes, in a set of figures only for a latent space of two dimensions.

    Args:
        size: rows and columns.
        range: 'prior': quantiles of N(0, 1); 'codes': those of the Gaussian with the mean and the standard deviation of
            the codes of test images, which show where the codes are if they lie far from the prior. None: the prior,
            if it is N(0, I) and the objective draws codes towards it.
        dimensions: the two dimensions; None: those with the highest KL. The others are at the prior's mean.
        level: of a hierarchy, counted from 0 at the top; all other levels are at the means of their priors.
        every: also keep a frame after every that many epochs of training, for an animation; 0: none.
        animation: the file of that animation.
    """

    needs = ("images", "continuous")
    needs_in_a_set = ("plane",)

    def __init__(
        self,
        size: Annotated[int, Ge(2)] = 20,
        range: Literal["prior", "codes"] | None = None,
        dimensions: Annotated[list[NonNegativeInt], Len(2, 2)] | None = None,
        level: NonNegativeInt = 0,
        every: NonNegativeInt = 0,
        animation: Kind = "gif",
    ) -> None:
        self.size, self.range, self.dimensions, self.level = size, range, dimensions, level
        self.every, self.kind = every, animation

    def __call__(self, trained: Trained) -> Figure:
        """Draw the figure."""
        plane, kind = self._plane(trained, self.size, codes_of(trained, level=self.level))
        images = decoded(trained, plane.codes, plane.y, self.level)
        height, width = trained.data.x_shape[1:]
        rows = len(images) // self.size
        wide = min(0.42 * self.size, 8.0)
        high = wide * rows * height / (self.size * width)
        figure = new_figure(wide + 0.9, high + 0.6, self._title(trained, plane, kind), trained.title, pictures=high)
        axes = figure.subplots()
        axes.imshow(image_grid(images, self.size, gap=0), interpolation="none", vmin=0, vmax=1)
        names = [_axis(plane.aggregate, dim) for dim in plane.dims]
        _ticks(axes.set_xticks, plane.places[0], width)
        axes.set_xlabel(names[0])
        if rows > 1:
            _ticks(axes.set_yticks, plane.places[1].flip(0), height)
            axes.set_ylabel(names[1])
        else:
            axes.set_yticks([])
        return figure

    def frame(self, trained: Trained, epoch: int) -> Image.Image:
        """The grid after an epoch, for the animation.

        Raises:
            UserError: the dimensions may change from epoch to epoch.
        """
        if trained.model.latent_shapes[self.level] not in ((1,), (2,)) and self.dimensions is None:
            raise UserError(
                "figures.manifold.every: the two dimensions of the highest KL differ from epoch to epoch; type "
                "latent_dim=2, or figures.manifold.dimensions=[0,1]"
            )
        plane, _ = self._plane(trained, min(self.size, _SMALL), codes_of(trained, "test", _ENCODED, self.level))
        images = decoded(trained, plane.codes, plane.y, self.level)
        return tiles(images, len(plane.places[0]), heading=f"epoch {epoch}", pixels=28, gap=0)

    def _plane(self, trained: Trained, size: int, codes: Codes) -> tuple[_Plane, str]:
        aggregate = Aggregate.of(codes)
        width = len(aggregate.mean)
        if self.dimensions and max(self.dimensions) >= width:
            raise UserError(
                f"figures.manifold.dimensions={self.dimensions}: the codes have dimensions 0 to {width - 1}"
            )
        if self.dimensions and len(set(self.dimensions)) == 1:
            raise UserError(f"figures.manifold.dimensions={self.dimensions}: a plane has two different dimensions")
        dims = self.dimensions or ([0, 1][:width] if width <= 2 else aggregate.order[:2].sort().values.tolist())
        y = trained.conditions(0, 1, trained.noise("condition of the manifold"))
        start, others = centre(trained, aggregate.mean, y, self.level)
        follows_prior = trained.objective.matches_prior and trained.model.standard_prior
        kind = self.range or ("prior" if follows_prior else "codes")
        quantiles = torch.tensor([NormalDist().inv_cdf((i + 0.5) / size) for i in range(size)])
        places = [quantiles if kind == "prior" else aggregate.mean[dim] + aggregate.sd[dim] * quantiles for dim in dims]
        return _Plane(dims, places, start, y, aggregate, others), kind

    def _title(self, trained: Trained, plane: _Plane, kind: str) -> str:
        shown = " and ".join(f"z[{dim}]" for dim in plane.dims)
        where = "quantiles of N(0, 1)" if kind == "prior" else "quantiles over the codes' mean and sd"
        rest = len(plane.start) - len(plane.dims)
        others = f"; the other {counted(rest, 'dimension')} at {plane.others}" if rest else ""
        level = level_in_words(trained, [self.level])
        return f"Images along {shown}{level}, at {where}{others}{condition_in_words(trained, plane.y)}"


def _axis(aggregate: Aggregate, dim: int) -> str:
    """The name of an axis, with the KL where the dimension has one."""
    if aggregate.kl is None:
        return f"z[{dim}] (no unit)"
    about = "≈ " if aggregate.estimated else ""
    return f"z[{dim}] (no unit), KL {about}{aggregate.kl[dim]:.2f} nats"


def _ticks(put: Callable[..., Any], places: Tensor, pixels: int) -> None:
    """Write coordinates below or beside the middles of some images."""
    chosen = torch.linspace(0, len(places) - 1, min(_TICKS, len(places))).round().long()
    put((chosen * pixels + pixels / 2 - 0.5).tolist(), [number(float(places[i]), ".2f") for i in chosen])
