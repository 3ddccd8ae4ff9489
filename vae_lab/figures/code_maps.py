"""Test images beside the grids of their codes, in colour, a row for each level."""

import torch
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from pydantic import PositiveInt
from torch import Tensor
from torch.nn import functional as F

from vae_lab.figures.image_grids import image_grid, label_row, show
from vae_lab.figures.reconstructions import spread
from vae_lab.figures.style import new_figure
from vae_lab.inference import code_sizes
from vae_lab.noise import SeededNoise
from vae_lab.scores import Trained
from vae_lab.types import Model

_COLOURS = colormaps["viridis"]


class CodeMaps:
    """Images, their reconstructions, and for each level the grid of codes.

    Similar codes have similar colours: the codes of a level are ordered by the first principal component of their
    vectors. Of a residual quantizer, the first and coarsest code of each position is shown.

    Args:
        columns: number of images.
    """

    needs = ("images", "codes")
    requires = "codes on a grid"

    def __init__(self, columns: PositiveInt = 10) -> None:
        self.columns = columns

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the codes do not lie on a grid of two dimensions."""
        chosen = spread(trained.data.test.labels, min(self.columns, len(trained.data.test)))
        x = torch.cat([batch.x for batch in trained.data.batches("test")])[chosen]
        y = trained.data.test.at(chosen)[1]
        given = None if y is None else y.to(x.device)
        latents = trained.model.infer(x, given, 1, trained.noise("code maps"))
        if any(z.ndim != 5 for z in latents.z):
            return None
        height, width = trained.data.x_shape[1:]
        rows = [x.expand(-1, 3, -1, -1), trained.reconstruct(x, y).expand(-1, 3, -1, -1)]
        names, levels = ["image", "reconstruction"], len(latents.z)
        for index, codes in enumerate(latents.codes or ()):
            coarsest = codes[0] if codes.ndim == 4 else codes[0, ..., 0]
            rows.append(F.interpolate(coloured(coarsest, order_of_codes(trained.model, index)), (height, width)).to(x))
            size = "×".join(map(str, coarsest.shape[1:]))
            names.append(f"{f'level {levels - index}, ' if levels > 1 else ''}{size}")
        high = 0.72 * len(rows) * height / width
        several = any(codes.ndim > 4 for codes in latents.codes or ())
        title = f"Test images and the {'first, coarsest ' if several else ''}code of each position"
        figure = new_figure(0.72 * len(x) + 1.9, high + 0.6, title, trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(torch.cat(rows), len(x)))
        for row, name in enumerate(names):
            label_row(axes, name, (row + 0.5) * (height + 1))
        bar = figure.colorbar(ScalarMappable(cmap=_COLOURS), ax=axes, orientation="horizontal", shrink=0.6, aspect=40)
        sizes = " and ".join(dict.fromkeys(str(size) for size in code_sizes(trained.model)))
        bar.set_label(f"place of a code among all {sizes}, in the order of similarity")
        bar.set_ticks([0, 1], labels=["first", "last"])
        return figure


def coloured(codes: Tensor, places: Tensor) -> Tensor:
    """Codes [N, H, W] as colours [N, 3, H, W], given the place of each code [K] in the order of colours."""
    share = places[codes.cpu()].double() / max(1, len(places) - 1)
    return torch.from_numpy(_COLOURS(share.numpy())[..., :3]).permute(0, 3, 1, 2)


def order_of_codes(model: Model, index: int) -> Tensor:
    """The place [K] of each code of a level, ordered by the first principal component of the code vectors.

    ``index`` counts the levels from the top.
    """
    vectors = code_vectors(model, index)
    centred = vectors - vectors.mean(0)
    component = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[0]
    return component.argsort().argsort()


def code_vectors(model: Model, index: int) -> Tensor:
    """The vector [K, D] of each code of a level, on the CPU, in float64.

    Of a residual quantizer they are those of the first depth, up to a constant.
    """
    size = code_sizes(model)[index]
    device = next(iter(model.parameters())).device
    codes = [torch.zeros((1, size, *shape), dtype=torch.long, device=device) for shape in model.latent_shapes]
    codes[index].view(size, -1)[:, 0] = torch.arange(size, device=device)  # the first depth of the first position
    z = model.prior_sample(size, None, SeededNoise(device, "code vectors"), tuple(codes))[index]
    return z[0].flatten(2)[:, :, 0].double().cpu()
