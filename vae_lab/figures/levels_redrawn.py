"""Upper levels kept and lower ones drawn again: what the levels below the top decide."""

from matplotlib.figure import Figure
from pydantic import PositiveInt

from vae_lab.figures.image_grids import image_grid, label_row, show
from vae_lab.figures.style import new_figure
from vae_lab.scores import Trained


class LevelsRedrawn:
    """Rows of samples that share their uppermost levels; the levels below are drawn anew for each.

    Args:
        kept: number of levels that a row shares, from the top; less than the model has.
        columns: draws per row.
        rows: number of draws of the upper levels.
    """

    needs = ("images", "hierarchy", "tempered")

    def __init__(self, kept: PositiveInt = 1, columns: PositiveInt = 10, rows: PositiveInt = 6) -> None:
        self.kept, self.columns, self.rows = kept, columns, rows

    def __call__(self, trained: Trained) -> Figure:
        """Draw the figure."""
        model, levels, n = trained.model, len(trained.model.latent_shapes), self.rows * self.columns
        kept = min(self.kept, levels - 1)
        y = trained.conditions(0, self.rows, trained.noise("labels of kept levels"))
        y = None if y is None else y.to(trained.device)
        noise = trained.noise("kept levels")
        if trained.prior is not None:
            upper = [part.unsqueeze(0) for part in trained.prior.sample(self.rows, noise, y)[:kept]]
        else:
            upper = list(trained.latents(self.rows, noise, y)[:kept])
        repeated = tuple(part.repeat_interleave(self.columns, 1) for part in upper)
        y = None if y is None else y.repeat_interleave(self.columns, 0)
        z = trained.latents(n, trained.noise("levels drawn again"), y, repeated)
        images = model.likelihood.mean(model.decode(z, y))[0]
        height, width = trained.data.x_shape[1:]
        high = 0.6 * self.rows * height / width
        shared = "the top level" if kept == 1 else f"the top {kept} levels"
        title = f"Each row shares {shared} of {levels}; the levels below are drawn again"
        figure = new_figure(0.6 * self.columns + 0.7, high + 0.2, title, trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(images, self.columns))
        names = trained.data.classes if y is not None and y.ndim == 1 else ()
        for row in range(self.rows if names and y is not None else 0):
            label_row(axes, names[int(y[row * self.columns])], (row + 0.5) * (height + 1))  # type: ignore[index]
        return figure
