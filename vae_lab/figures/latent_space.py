"""The test examples in latent space, coloured by label; more than 2 dimensions are mapped to 2 by t-SNE."""

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from pydantic import PositiveInt

from vae_lab.figures.style import BLUE, GREY, class_colours, literal, new_figure
from vae_lab.scores import Trained

# The angle of the Barnes–Hut approximation. It keeps as many neighbours as the usual 0.5 (trustworthiness 0.98 both).
_ANGLE = 0.8


class LatentSpace:
    """A scatter plot of the posterior means of test examples, of the top level of a hierarchy.

    Args:
        points: largest number of examples shown (t-SNE takes about 1 s per 1,000 on two cores).
        perplexity: the perplexity of t-SNE (van der Maaten & Hinton 2008).
        iterations: iterations of t-SNE. On 2,000 codes of MNIST, 500 iterations keep neighbours as well as the usual
            1,000 in half the time (trustworthiness 0.992 for both; labels predicted from 10 neighbours are right for
            0.907 and 0.909).
    """

    requires = "at least 8 test examples"

    def __init__(
        self, points: PositiveInt = 2000, perplexity: PositiveInt = 30, iterations: Annotated[int, Ge(250)] = 500
    ) -> None:
        self.points, self.perplexity, self.iterations = points, perplexity, iterations

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure, with the name of each class at the median of its points; None for fewer than 8 examples."""
        q, labels = trained.codes()
        if min(self.points, len(q.mu)) < 8:
            return None
        chosen = torch.linspace(0, len(q.mu) - 1, min(self.points, len(q.mu))).long()
        mu, y = q.mu[chosen], None if labels is None else labels[chosen].numpy()
        if mu.shape[1] == 1 and not trained.objective.variational:
            # The objective trains no σ that could be the y axis.
            rows = torch.zeros(len(mu), 1) if labels is None else labels[chosen].unsqueeze(1)
            places, names = torch.cat([mu, rows], 1).numpy(), ("code z", "label (number)")
            how = "one latent dimension"
        elif mu.shape[1] == 1:
            spread = torch.exp(0.5 * q.log_var[chosen])
            places, names = torch.cat([mu, spread], 1).numpy(), ("posterior mean of z", "posterior σ of z")
            how = "one latent dimension"
        elif mu.shape[1] == 2:
            places, names = mu.numpy(), ("posterior mean of z[0]", "posterior mean of z[1]")
            how = "two latent dimensions"
        elif _all_alike(mu):
            places, names = mu[:, :2].numpy(), ("posterior mean of z[0]", "posterior mean of z[1]")
            how = f"equal codes, two of {mu.shape[1]} latent dimensions"
        else:
            # t-SNE uses three times as many neighbours as the perplexity.
            perplexity = min(self.perplexity, (len(mu) - 1) // 3)
            places, names = _tsne(mu, perplexity, self.iterations, trained), ("t-SNE 1 (no unit)", "t-SNE 2 (no unit)")
            how = f"t-SNE of {mu.shape[1]} latent dimensions, perplexity {perplexity}"
        levels = len(trained.model.latent_shapes)
        which = f", top level of {levels}" if levels > 1 else ""
        title = f"Latent space of {len(mu):,} test {trained.data.values.many}{which}: {how}"
        figure = new_figure(7.4, 5.8, title, trained.title, pictures=5.8)
        axes = figure.subplots()
        _scatter(axes, places, y, trained.data.classes)
        axes.set(xlabel=names[0], ylabel=names[1])
        if mu.shape[1] == 2:
            axes.set_aspect("equal", "datalim")
        move_apart(figure, axes)
        return figure


def _all_alike(mu: torch.Tensor) -> bool:
    """Whether codes [N, D] differ by rounding alone.

    Their variance is then 0 in float32, which t-SNE divides by; the NaN end the process with a segmentation fault.
    """
    return bool((mu - mu[0]).abs().max() <= 1e-6 * mu.abs().max())


def _tsne(mu: torch.Tensor, perplexity: int, iterations: int, trained: Trained) -> np.ndarray:
    """Map codes [N, D] to points [N, 2]."""
    from sklearn.manifold import TSNE

    run = TSNE(perplexity=perplexity, max_iter=iterations, angle=_ANGLE, init="pca", random_state=0)
    (places,) = (run.fit_transform(mu.numpy()) for _ in trained.progress([0], f"t-SNE of {len(mu):,} codes"))
    return places


def _point() -> float:
    """The area of a point in square points of print."""
    return float(0.75 * rcParams["lines.markersize"]) ** 2


def _scatter(axes: Axes, places: np.ndarray, y: np.ndarray | None, classes: tuple[str, ...]) -> None:
    if y is None:
        axes.scatter(places[:, 0], places[:, 1], s=_point(), color=BLUE, alpha=0.6, linewidths=0)
        return
    for label, colour in enumerate(class_colours(len(classes))):
        members = places[y == label]
        if not len(members):
            continue
        name = literal(classes[label])
        axes.scatter(members[:, 0], members[:, 1], s=_point(), color=colour, alpha=0.75, linewidths=0, label=name)
        axes.annotate(
            name, np.median(members, 0), (0, 0), textcoords="offset points", ha="center", va="center", weight="bold",
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": colour, "alpha": 0.85},
            arrowprops={"arrowstyle": "-", "color": GREY, "lw": 1},
        )  # fmt: skip
    if len(classes) <= 20:
        axes.legend(title="label", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2)


def move_apart(figure: Figure, axes: Axes) -> None:
    """Move the names of classes that overlap away from each other; a line joins a moved name to its place.

    Each of them is pushed out of the others' boxes step by step, which separates the names of a few dozen classes.
    """
    names = [text for text in axes.texts if isinstance(text, Annotation)]
    figure.draw_without_rendering()  # computes the layout, and with it the boxes
    boxes = [patch.get_window_extent() for patch in (name.get_bbox_patch() for name in names) if patch is not None]
    start = np.array([[(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2] for box in boxes]).reshape(-1, 2)
    sizes = np.array([[box.width, box.height] for box in boxes]).reshape(-1, 2)
    moved = separated(start, sizes)
    for name, offset in zip(names, (moved - start) * 72 / figure.dpi):
        name.set_position(tuple(offset))
        if not offset.any() and name.arrow_patch is not None:
            name.arrow_patch.set_visible(False)


def separated(centres: np.ndarray, sizes: np.ndarray, steps: int = 500) -> np.ndarray:
    """Return the centres [N, 2] of boxes of these sizes [N, 2], moved by little so that the boxes do not overlap."""
    centres = centres.copy()
    for _ in range(steps):
        apart = centres[:, None] - centres[None]  # [N, N, 2]
        overlap = (sizes[:, None] + sizes[None]) / 2 + 2 - np.abs(apart)
        touching = (overlap > 0).all(-1) & ~np.eye(len(centres), dtype=bool)
        if not touching.any():
            break
        # A pair moves along the axis on which it overlaps less; of equal centres, the later one moves up.
        shorter = overlap == overlap.min(-1, keepdims=True)
        order = np.sign(np.arange(len(centres))[:, None] - np.arange(len(centres))[None])[..., None]
        way = np.where(apart == 0, order, np.sign(apart))
        centres += (0.5 * overlap * way * shorter * touching[..., None]).clip(-4, 4).sum(1)
    return centres
