"""The β-VAE metric: can a linear classifier predict which factor two images share? (Higgins et al. 2017, section 3.)

For one point, a factor k is drawn, then L pairs of images that share its value and whose other factors are random. The
feature of the point is (1/L) Σ_l |z(v_l) − z(v'_l)| [D], and its label is k. The score is the accuracy of a linear
classifier on new points. It is 1/F if the codes carry no information. The paper (openreview Sy2fzU9gl) trains its
classifier with Adagrad. Here it is logistic regression with an L2 penalty of ½‖w‖² added to the summed loss, as in
Locatello et al. 2019 (arXiv 1811.12359).
"""

from functools import partial

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.factor_codes import FactorCodes, Points, factor_codes, in_parts
from vae_lab.scores import Scores, Trained
from vae_lab.types import Noise


class BetaVAEMetric:
    """The β-VAE metric of posterior means.

    Args:
        train, eval: number of points that train the classifier, and of points that evaluate it.
        batch: number of pairs of images per point, L.
    """

    topic = "Factors in the codes"
    needs = ("factors",)

    def __init__(self, train: Points = 10_000, eval: Points = 5000, batch: PositiveInt = 64) -> None:
        self.train, self.eval, self.batch = train, eval, batch

    def __call__(self, trained: Trained) -> Scores:
        """Return ``beta_vae_metric``, an accuracy; only a note if codes are not finite."""
        from sklearn.linear_model import LogisticRegression

        grid, notes = factor_codes(trained, "beta_vae_metric")
        if grid is None:
            return Scores({}, notes=notes)
        noise = trained.noise("beta_vae_metric")
        draw, numbers = partial(self.points, grid, noise), (self.train, self.eval)
        x, y = (part.numpy() for part in in_parts(draw, numbers, trained, "β-VAE metric"))
        classifier = LogisticRegression(C=1.0, max_iter=1000).fit(x[: self.train], y[: self.train])
        value = float(classifier.score(x[self.train :], y[self.train :]))
        chance = 1 / len(grid.sizes)
        protocol = {
            **grid.about,
            "train_points": self.train,
            "eval_points": self.eval,
            "pairs_per_point": self.batch,
            "classifier": "logistic regression, C=1",
            "chance": chance,
        }
        meaning = f"accuracy, chance is {chance:.2g}, higher is better"
        return Scores(
            {"beta_vae_metric": value},
            {"beta_vae_metric": protocol},
            notes=notes,
            meanings={"beta_vae_metric": meaning},
        )

    def points(self, grid: FactorCodes, noise: Noise, n: int) -> tuple[Tensor, Tensor]:
        """Draw n points: features [n, D] and labels [n]."""
        shared = grid.which(noise, n)
        first, second = (grid.values(noise, n, self.batch) for _ in range(2))
        rows = torch.arange(n)
        second[rows, :, shared] = first[rows, :, shared]
        return (grid.at(first) - grid.at(second)).abs().mean(1), shared
