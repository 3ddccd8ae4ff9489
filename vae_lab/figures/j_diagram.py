"""A J-diagram: the analogy B + C − A of three test images, and the codes between the four (arXiv 1609.04468)."""

from typing import Annotated

from annotated_types import Ge, Len
from matplotlib.figure import Figure
from pydantic import NonNegativeInt
from torch import Tensor

from vae_lab.figures.image_grids import image_grid, show
from vae_lab.figures.moving_codes import decoded, level_in_words, means_of, soft, test_images
from vae_lab.figures.style import new_figure
from vae_lab.inference import code_sizes
from vae_lab.latents.lines import j_grid
from vae_lab.scores import Trained


class JDiagram:
    """A at the top left, B at the bottom left, C at the top right, and B + C − A at the bottom right.

    A conditional model's labels move along with the codes, so that the fourth corner has the labels B + C − A, too.

    Args:
        images: positions of A, B and C in the test set; None: images of three classes.
        size: rows and columns of the grid.
        renorm: scale B + C − A to the mean length of B and C. Where codes are independent, it is √3 times as long.
        spherical: lines on great circles instead of straight ones.
        level: of a hierarchy, counted from 0 at the top; levels below are at the means of their priors. Of discrete
            codes, all levels move.
    """

    needs = ("images",)
    requires = "at least three test images"

    def __init__(
        self,
        images: Annotated[list[NonNegativeInt], Len(3, 3)] | None = None,
        size: Annotated[int, Ge(2)] = 7,
        renorm: bool = False,
        spherical: bool = False,
        level: NonNegativeInt = 0,
    ) -> None:
        self.images, self.size, self.renorm, self.spherical, self.level = images, size, renorm, spherical, level

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None with fewer than three images."""
        x, y, places = test_images(trained, self.images, 3)
        if len(places) < 3:
            return None
        grid = self._decoded(trained, x, y)
        height, width = trained.data.x_shape[1:]
        one = 0.62 * height / width
        sides = "great circles" if self.spherical else "straight lines"
        scaled = ", scaled to the mean length of B and C" if self.renorm else ""
        level = level_in_words(trained, self._levels(trained))
        title = f"J-diagram of test images {', '.join(map(str, places))}: B + C − A{scaled}, by {sides}{level}"
        high = one * (self.size + 1.2)
        figure = new_figure(0.62 * self.size + 2.4, high + 0.3, title, trained.title, pictures=high)
        given, codes = figure.subplots(1, 2, width_ratios=[1.2, self.size])
        show(given, image_grid(x, 1))
        show(codes, image_grid(grid, self.size))
        for row, name in enumerate("ABC"):
            given.annotate(
                name, (0, (row + 0.5) * (height + 1)), (-5, 0), textcoords="offset points", ha="right", va="center"
            )
        low, right = self.size * (height + 1) + 1, self.size * (width + 1) + 1
        corners = (("A", 0, 0), ("B", 0, low), ("C", right, 0), ("B + C − A", right, low))
        for name, left, top in corners:
            codes.annotate(
                name, (left, top), (0, -4 if top else 4), textcoords="offset points", annotation_clip=False,
                ha="right" if left else "left", va="top" if top else "bottom",
            )  # fmt: skip
        return figure

    def _levels(self, trained: Trained) -> list[int]:
        """The levels that move."""
        return list(range(len(trained.model.latent_shapes))) if code_sizes(trained.model) else [self.level]

    def _decoded(self, trained: Trained, x: Tensor, y: Tensor | None) -> Tensor:
        """The images of the grid, row by row."""
        levels, codes = self._levels(trained), []
        for level in levels:
            a, b, c = means_of(trained, x, y, level)
            codes.append(j_grid(a, b, c, self.size, self.renorm, self.spherical).flatten(0, 1))
        mixed = soft(y, trained)
        conditions = None if mixed is None else j_grid(mixed[0], mixed[1], mixed[2], self.size).flatten(0, 1)
        return decoded(trained, codes[0], conditions, levels[0], codes[1:] or None)
