"""Upper levels of discrete codes kept and the lower ones drawn again: what the levels below the top decide."""

from matplotlib.figure import Figure
from pydantic import PositiveInt

from vae_lab.figures.image_grids import image_grid, label_row, show
from vae_lab.figures.style import new_figure
from vae_lab.scores import Trained


class TopFixed:
    """Rows of samples that share the codes of their uppermost levels; those below are drawn anew for each.

    Args:
        kept: number of levels that a row shares, from the top; all but the lowest, if the model has fewer.
        columns: draws per row.
        rows: number of draws of the upper levels.
    """

    needs = ("images", "codes", "hierarchy", "code_prior")

    def __init__(self, kept: PositiveInt = 1, columns: PositiveInt = 10, rows: PositiveInt = 6) -> None:
        self.kept, self.columns, self.rows = kept, columns, rows

    def __call__(self, trained: Trained) -> Figure:
        """Draw the figure."""
        assert trained.prior is not None
        model, levels, n = trained.model, len(trained.model.latent_shapes), self.rows * self.columns
        kept = min(self.kept, levels - 1)
        y = trained.conditions(0, self.rows, trained.noise("labels of kept levels"))
        y = None if y is None else y.to(trained.device)
        upper = trained.prior.sample(self.rows, trained.noise("kept levels"), y)[:kept]
        repeated = tuple(codes.repeat_interleave(self.columns, 0).unsqueeze(0) for codes in upper)
        of_all = None if y is None else y.repeat_interleave(self.columns, 0)
        z = trained.latents(n, trained.noise("levels drawn again"), of_all, repeated)
        images = model.likelihood.mean(model.decode(z, of_all))[0]
        height, width = trained.data.x_shape[1:]
        high = 0.6 * self.rows * height / width
        shared = "the codes of the top level" if kept == 1 else f"the codes of the top {kept} levels"
        title = f"Each row shares {shared} of {levels}; the levels below are drawn again"
        figure = new_figure(0.6 * self.columns + 0.7, high + 0.2, title, trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(images, self.columns))
        if y is not None and y.ndim == 1:
            for row, label in enumerate(y.tolist()):
                label_row(axes, trained.data.classes[label], (row + 0.5) * (height + 1))
        return figure
