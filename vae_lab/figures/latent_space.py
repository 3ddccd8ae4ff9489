"""Where test images lie in latent space, coloured by label: plain for 1 or 2 dimensions, t-SNE above."""

from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from matplotlib.figure import Figure
from pydantic import PositiveInt

from vae_lab.figures.style import BLUE, class_colours, new_figure
from vae_lab.scores import Trained

_ANGLE = 0.8  # of Barnes and Hut's sums; at the usual 0.5 as many neighbours are kept (trustworthiness 0.98 both)


class LatentSpace:
    """Posterior means of test images.

    Args:
        points: most images shown (t-SNE takes about 1 s per 1,000 on two cores).
        perplexity: of t-SNE (van der Maaten & Hinton 2008).
        iterations: of t-SNE. On 2,000 codes of MNIST 500 leave neighbours as they are after the usual 1,000
            (trustworthiness 0.992 both, labels of 10 neighbours right for 0.907 and 0.909) in half the time.
    """

    def __init__(
        self, points: PositiveInt = 2000, perplexity: PositiveInt = 30, iterations: Annotated[int, Ge(250)] = 500
    ) -> None:
        self.points, self.perplexity, self.iterations = points, perplexity, iterations

    def __call__(self, trained: Trained) -> Figure | None:
        """A scatter, each class named at the median of its points; None for fewer than 8 images."""
        q, labels = trained.codes()
        if min(self.points, len(q.mu)) < 8:
            return None
        chosen = torch.linspace(0, len(q.mu) - 1, min(self.points, len(q.mu))).long()
        mu, y = q.mu[chosen], None if labels is None else labels[chosen].numpy()
        if mu.shape[1] == 1 and not trained.objective.variational:  # no σ was trained
            rows = torch.zeros(len(mu), 1) if labels is None else labels[chosen].unsqueeze(1)
            places, names = torch.cat([mu, rows], 1).numpy(), ("code z", "label (number)")
            how = "one latent dimension"
        elif mu.shape[1] == 1:
            spread = torch.exp(0.5 * q.log_var[chosen])
            places, names = torch.cat([mu, spread], 1).numpy(), ("posterior mean of z", "posterior σ of z")
            how = "one latent dimension"
        elif mu.shape[1] == 2:
            places, names = mu.numpy(), ("posterior mean of z₁", "posterior mean of z₂")
            how = "two latent dimensions"
        else:
            perplexity = min(self.perplexity, (len(mu) - 1) // 3)  # t-SNE's own bound for few points
            places, names = _tsne(mu, perplexity, self.iterations, trained), ("t-SNE 1 (no unit)", "t-SNE 2 (no unit)")
            how = f"t-SNE of {mu.shape[1]} latent dimensions, perplexity {perplexity}"
        title = f"Latent space of {len(mu):,} test {trained.data.values.kind}: {how}"
        figure = new_figure(7.4, 6.2, title, trained.title)
        axes = figure.subplots()
        _scatter(axes, places, y, trained.data.classes)
        axes.set(xlabel=names[0], ylabel=names[1])
        if mu.shape[1] == 2:
            axes.set_aspect("equal", "datalim")
        return figure


def _tsne(mu: torch.Tensor, perplexity: int, iterations: int, trained: Trained) -> np.ndarray:
    """Codes [N, D] to places [N, 2]."""
    from sklearn.manifold import TSNE

    run = TSNE(perplexity=perplexity, max_iter=iterations, angle=_ANGLE, init="pca", random_state=0)
    (places,) = (run.fit_transform(mu.numpy()) for _ in trained.progress([0], f"t-SNE of {len(mu):,} codes"))
    return places


def _scatter(axes: Any, places: np.ndarray, y: np.ndarray | None, classes: tuple[str, ...]) -> None:
    if y is None:
        axes.scatter(*places.T, s=6, color=BLUE, alpha=0.6, linewidths=0)
        return
    for label, colour in enumerate(class_colours(len(classes))):
        members = places[y == label]
        if not len(members):
            continue
        axes.scatter(*members.T, s=7, color=colour, alpha=0.75, linewidths=0, label=classes[label])
        axes.annotate(
            classes[label], np.median(members, 0), ha="center", va="center", fontsize=10, weight="bold",
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": colour, "alpha": 0.85},
        )  # fmt: skip
    if len(classes) <= 20:
        axes.legend(title="label", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2)
