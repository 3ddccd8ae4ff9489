"""Every code decoded alone: what the decoder makes of a grid that holds it."""

from typing import Literal

import torch
from matplotlib.figure import Figure
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.figures.image_grids import image_grid, label_row, show
from vae_lab.figures.style import new_figure
from vae_lab.scores import Trained


class CodesAlone:
    """One image per code of each level, the most frequent code first.

    All other positions, and all positions of the other levels, hold the most frequent code of their level. Of a
    residual quantizer, the codes of the first depth are shown, and the further depths hold their most frequent codes.

    Args:
        place: ``centre``: the code stands at the centre of the grid; ``everywhere``: at all positions of its level.
        columns: images in a row.
        most: largest number of codes shown per level.
    """

    needs = ("images", "codes")
    draws = ("codes",)

    def __init__(
        self,
        place: Literal["centre", "everywhere"] = "everywhere",
        columns: PositiveInt = 16,
        most: PositiveInt = 128,
    ) -> None:
        self.place, self.columns, self.most = place, columns, most

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``codes`` was not computed."""
        orders = [_by_frequency(trained, index) for index in range(len(trained.model.latent_shapes))]
        if not all(orders):
            return None
        levels = [self._decoded(trained, orders, index) for index in range(len(orders))]
        height, width = trained.data.x_shape[1:]
        columns = min(self.columns, max(map(len, levels)))
        rows = [-(-len(images) // columns) for images in levels]
        cell = 0.5
        high = cell * sum(rows) * height / width
        title = self._title(trained, any(len(order) > 1 for order in orders))
        figure = new_figure(cell * columns + 0.9, high + 0.2 * len(rows), title, trained.title, high)
        for axes, images, index in zip(
            figure.subplots(len(rows), 1, squeeze=False, height_ratios=rows)[:, 0], levels, range(len(levels))
        ):
            show(axes, image_grid(images, columns))
            if len(levels) > 1:
                label_row(axes, f"level {len(levels) - index}", 0.5 * (height + 1))
        return figure

    def _decoded(self, trained: Trained, orders: list[list[Tensor]], index: int) -> Tensor:
        """The images of the codes of one level, decoded with the label of the first test example, if there is one."""
        model, shown = trained.model, orders[index][0][: self.most]
        noise, n = trained.noise("codes alone"), len(shown)
        codes = [_most_frequent(of_level, (1, n, *shape)) for of_level, shape in zip(orders, model.latent_shapes)]
        codes = [part.to(trained.device) for part in codes]
        places: tuple[slice | int, ...] = (slice(None), slice(None))
        if self.place == "centre":
            places = (*places, *(size // 2 for size in model.latent_shapes[index][:2]))
        first = codes[index][..., 0] if len(orders[index]) > 1 else codes[index]
        first[places] = shown.to(trained.device).view(1, n, *[1] * (first[places].ndim - 2))
        y = trained.conditions(0, 1, noise)
        y = None if y is None else y.to(trained.device).expand(n, *y.shape[1:])
        z = model.prior_sample(n, y, noise, tuple(codes))
        return model.likelihood.mean(model.decode(z, y))[0]

    def _title(self, trained: Trained, several_depths: bool) -> str:
        several = len(trained.model.latent_shapes) > 1
        where = f"at all positions{' of its level' if several else ''}"
        if self.place == "centre":
            where = "at the centre of a grid that holds the most frequent code elsewhere"
        others = "; other levels: their most frequent code" if several else ""
        label = "; one label for all" if trained.model.conditional else ""
        depths = "; of several depths, the first" if several_depths else ""
        return f"Every code {where}, the most frequent first{others}{depths}{label}"


def _by_frequency(trained: Trained, index: int) -> list[Tensor]:
    """The codes of a level, the most frequent first, for each of its depths; empty if they were not counted."""
    uses, levels = trained.scores.arrays.get("code_use") or [], len(trained.model.latent_shapes)
    part = f"level {levels - index}" if levels > 1 else ""
    counts = [torch.tensor(use["counts"]) for use in uses if use["of"].startswith(part)]
    return [of_depth.argsort(descending=True, stable=True) for of_depth in counts]


def _most_frequent(orders: list[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Codes of this shape, of which each is the most frequent one of its depth; the last axis is that of the depths."""
    first = torch.stack([order[0] for order in orders])
    return first.expand(shape).clone()
