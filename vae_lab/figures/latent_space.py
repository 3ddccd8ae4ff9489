"""The test examples in latent space, coloured by label or by a number; many dimensions are mapped to two."""

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from matplotlib import colormaps, rcParams
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from vae_lab.errors import UserError, did_you_mean
from vae_lab.figures.names_apart import move_apart
from vae_lab.figures.projection import Map, Projected, all_alike, pca, tsne, two_dimensions, umap
from vae_lab.figures.style import BLUE, GREY, class_colours, literal, new_figure
from vae_lab.figures.thumbnails import add_thumbnails
from vae_lab.scores import Trained
from vae_lab.types import Normal

_LEGEND = 20  # largest number of classes in a legend


class LatentSpace:
    """A scatter plot of the posterior means of test examples, of the top level of a hierarchy.

    Args:
        points: largest number of examples shown (t-SNE takes about 1 s per 1,000 on two cores).
        map: how more than two dimensions become two: 'tsne', 'pca' or 'umap' (with the package umap-learn).
        colour: 'label' (where there are attributes instead of labels, the first one), 'kl' (nats of all levels), or the
            name of an attribute.
        thumbnails: largest number of test images shown at their points, where they do not cover each other.
        perplexity: the perplexity of t-SNE, and the number of neighbours of UMAP.
        iterations: iterations of t-SNE. On 2,000 codes of MNIST, 500 iterations keep neighbours as well as the usual
            1,000 in half the time (trustworthiness 0.992 for both; labels predicted from 10 neighbours are right for
            0.907 and 0.909).
    """

    requires = "at least 8 test examples"

    def __init__(
        self,
        points: PositiveInt = 2000,
        perplexity: PositiveInt = 30,
        iterations: Annotated[int, Ge(250)] = 500,
        map: Map = "tsne",
        colour: str = "label",
        thumbnails: NonNegativeInt = 0,
    ) -> None:
        self.points, self.perplexity, self.iterations = points, perplexity, iterations
        self.map, self.colour, self.thumbnails = map, colour, thumbnails

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None for fewer than 8 examples.

        The name of each class is at the median of its points, unless a legend has the names and the classes overlap.
        """
        q, labels = trained.codes()
        if min(self.points, len(q.mu)) < 8:
            return None
        # In a random order, so that the last classes do not cover the first ones.
        chosen = torch.linspace(0, len(q.mu) - 1, min(self.points, len(q.mu))).long()
        chosen = chosen[torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0))]
        shown = self._projected(Normal(q.mu[chosen], q.log_var[chosen]), _of(labels, chosen), trained)
        levels = len(trained.model.latent_shapes)
        which = f", top level of {levels}" if levels > 1 else ""
        title = f"Latent space of {len(chosen):,} test {trained.data.values.many}{which}: {shown.how}"
        figure = new_figure(7.4, 5.8, title, trained.title, pictures=5.8)
        axes = figure.subplots()
        colours = self._coloured(axes, trained, labels, chosen)
        axes.scatter(shown.places[:, 0], shown.places[:, 1], s=_point(), c=colours, alpha=0.75, linewidths=0)
        axes.set(xlabel=shown.names[0], ylabel=shown.names[1])
        if q.mu.shape[1] == 2 or "PCA" in shown.how:
            axes.set_aspect("equal", "datalim")
        if self.thumbnails and trained.data.values.kind == "images":
            add_thumbnails(axes, shown.places, chosen, colours, trained, self.thumbnails)
        # The frames of images have the colours of the legend, and names would cover the images.
        legend = len(trained.data.classes) <= _LEGEND
        if self.colour == "label" and labels is not None and not (legend and self._crowded(shown, labels[chosen])):
            _name_classes(axes, shown.places, labels[chosen].numpy(), trained.data.classes)
            move_apart(figure, axes)
        return figure

    def _crowded(self, shown: Projected, labels: Tensor) -> bool:
        """Whether names inside the plot would hide what it shows: images, or classes that lie on top of each other."""
        return bool(self.thumbnails) or _separation(shown.places, labels.numpy()) < 0.5

    def _projected(self, q: Normal, labels: Tensor | None, trained: Trained) -> Projected:
        """The points of codes [N, D], whatever D is."""
        mu, dims = q.mu, q.mu.shape[1]
        if dims == 1 and not trained.objective.variational:
            # The objective trains no σ that could be the y axis.
            rows = torch.zeros(len(mu), 1) if labels is None else labels.unsqueeze(1)
            names = ("code z", "label (number)")
            return Projected(torch.cat([mu, rows], 1).numpy(), names, "one latent dimension")
        if dims == 1:
            spread, names = torch.exp(0.5 * q.log_var), ("posterior mean of z", "posterior σ of z")
            return Projected(torch.cat([mu, spread], 1).numpy(), names, "one latent dimension")
        if dims == 2:
            return two_dimensions(mu, "two latent dimensions")
        if all_alike(mu):
            return two_dimensions(mu, f"equal codes, two of {dims} latent dimensions")
        if self.map == "pca":
            return pca(mu)
        if self.map == "umap":
            return umap(mu, self.perplexity, trained)
        return tsne(mu, self.perplexity, self.iterations, trained)

    def _coloured(self, axes: Axes, trained: Trained, labels: Tensor | None, chosen: Tensor) -> list[ColorType]:
        """The colour of each point; the legend or the colour scale is drawn."""
        if self.colour == "label" and not trained.data.attributes:
            if labels is None:
                return [BLUE] * len(chosen)
            colours = class_colours(len(trained.data.classes))
            _legend(axes, colours, labels[chosen], trained.data.classes)
            return [colours[label] for label in labels[chosen].tolist()]
        values, name = self._numbers(trained)
        scale = ScalarMappable(Normalize(*_range(values[chosen])), colormaps["viridis"])
        axes.figure.colorbar(scale, ax=axes, label=literal(name), shrink=0.8)
        return list(scale.to_rgba(values[chosen].numpy()))

    def _numbers(self, trained: Trained) -> tuple[Tensor, str]:
        """The number of each test example by which it is coloured, [M], and its name with its unit.

        Raises:
            UserError: there is no such number.
        """
        attributes, y = trained.data.attributes, trained.data.test.y
        name = attributes[0] if self.colour == "label" else self.colour
        if name in attributes and y is not None:
            return y[:, attributes.index(name)].float(), name
        if self.colour == "kl" and trained.objective.variational:
            return trained.kl().sum(1), f"KL (nats per {trained.data.values.one})"
        known = ["label", *(["kl"] if trained.objective.variational else []), *attributes]
        raise UserError(
            f"figures.latent_space.colour={self.colour}: there is no such number{did_you_mean(self.colour, known)}; "
            f"type {', '.join(known[:12])}{', …' if len(known) > 12 else ''}"
        )


def _of(values: Tensor | None, chosen: Tensor) -> Tensor | None:
    return None if values is None else values[chosen]


def _range(values: Tensor) -> tuple[float, float]:
    """The range of a colour scale: without the outer hundredths, which would take most of it."""
    low, high = (float(value) for value in torch.quantile(values, torch.tensor([0.01, 0.99])))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _point() -> float:
    """The area of a point in square points of print."""
    return float(0.75 * rcParams["lines.markersize"]) ** 2


def _legend(axes: Axes, colours: list[ColorType], labels: Tensor, classes: tuple[str, ...]) -> None:
    """The colours of the classes that have points, unless there are too many."""
    if len(classes) > _LEGEND:
        return
    there = labels.unique().tolist()
    handles = [Line2D([], [], linestyle="", marker="o", color=colours[i], label=literal(classes[i])) for i in there]
    axes.legend(handles=handles, title="label", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _separation(places: np.ndarray, y: np.ndarray) -> float:
    """The share of points [N, 2] that are nearer to the median of their own class than to those of the others."""
    present = np.unique(y)
    medians = np.stack([np.median(places[y == label], 0) for label in present])
    nearest = np.linalg.norm(places[:, None] - medians[None], axis=-1).argmin(1)
    return float((present[nearest] == y).mean())


def _name_classes(axes: Axes, places: np.ndarray, y: np.ndarray, classes: tuple[str, ...]) -> None:
    """Write the name of each class at the median of its points."""
    for label, colour in enumerate(class_colours(len(classes))):
        if (y == label).any():
            axes.annotate(
                literal(classes[label]), np.median(places[y == label], 0), (0, 0), textcoords="offset points",
                ha="center", va="center", weight="bold", fontsize="small", zorder=5,
                bbox={"boxstyle": "round,pad=0.1", "fc": (1, 1, 1, 0.6), "ec": colour, "lw": 0.8},
                arrowprops={"arrowstyle": "-", "color": GREY, "lw": 1},
            )  # fmt: skip
