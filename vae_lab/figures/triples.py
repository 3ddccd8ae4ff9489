"""Real images, their reconstructions and images drawn from the prior, each with the KL that the encoder gives it."""

import torch
from matplotlib.figure import Figure
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.figures.image_grids import caption, centres, image_grid, label_row, show
from vae_lab.figures.reconstructions import spread
from vae_lab.figures.style import new_figure, number
from vae_lab.scores import Trained


class Triples:
    """Three rows of ``columns`` images; the number below an image is its KL[q(z|x) ‖ p(z)] in nats."""

    needs = ("images", "introspective")

    def __init__(self, columns: PositiveInt = 10) -> None:
        self.columns = columns

    def __call__(self, trained: Trained) -> Figure:
        """Draw the images."""
        columns = min(self.columns, len(trained.data.test))
        chosen = spread(trained.data.test.labels, columns)
        real = torch.cat([batch.x for batch in trained.data.batches("test")])[chosen]
        y = trained.data.test.at(chosen)[1]
        rows = {"real": real, "reconstructed": trained.reconstruct(real, y)}
        rows["drawn"] = next(trained.sample(columns, size=columns, y=y if trained.model.conditional else None))
        height, width = trained.data.x_shape[1:]
        high = 3 * 0.66 * height / width
        title = "Real, reconstructed and drawn images; below each its KL (nats)"
        figure = new_figure(0.66 * columns + 1.2, high + 1.1, title, trained.title, pictures=high)
        for axes, (name, images) in zip(figure.subplots(3, 1), rows.items()):
            show(axes, image_grid(images, columns))
            label_row(axes, name, height / 2)
            caption(axes, [number(kl, ".0f") for kl in _kl(trained, images, y)], centres(columns, width), height + 1.5)
        return figure


def _kl(trained: Trained, images: Tensor, y: Tensor | None) -> list[float]:
    """The KL of each image [N, C, H, W] in nats."""
    y = None if y is None else y.to(images.device)
    latents = trained.model.infer(images, y, 1, trained.noise("triples"))
    kl: list[float] = latents.kl[0].mean(0).flatten(1).sum(1).tolist()
    return kl
