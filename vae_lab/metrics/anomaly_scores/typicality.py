"""Typicality: the distance of an example's ELBO from the mean ELBO of training examples (arXiv 1906.02994).

In many dimensions, draws from a distribution lie where log p(x) is close to its mean, the negative entropy, and not
where it is highest. An example that is *too* likely is therefore as suspect as one that is too unlikely, which is how
simple images, to which a model gives high likelihoods whatever they show, can be found.
"""

from typing import Any

from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.anomaly_scores.judged import Judged
from vae_lab.scores import Trained


class Typicality:
    """|ELBO(x) − mean ELBO of training examples| in nats (Nalisnick et al. 2019).

    The paper tests log p(x), or a bound of it, of several examples at once; here each is tested alone.

    Args:
        samples: number of draws of z per example.
        images: number of training examples whose mean is taken, a fixed random choice.
    """

    label = "|ELBO − training mean|, nats"
    needs = ("posterior",)

    def __init__(self, samples: PositiveInt = 4, images: PositiveInt = 5000) -> None:
        self.samples, self.images = samples, images
        self.mean = 0.0

    @property
    def about(self) -> dict[str, Any]:
        """The number of draws, and what the mean was taken of."""
        return {"latent_samples": self.samples, "training_images": self.images, "training_mean_elbo": -self.mean}

    def fit(self, trained: Trained) -> None:
        """Take the mean of −ELBO of training examples."""
        of_training = Judged.of_split(trained, "train", self.images, "typicality")
        self.mean = of_training.terms(trained, self.samples).anomaly.mean().item()

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        return (judged.terms(trained, self.samples).anomaly - self.mean).abs()
