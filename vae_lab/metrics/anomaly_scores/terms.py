"""The terms of the ELBO as anomaly scores: −ELBO, recon and KL (An & Cho 2015; Nalisnick et al., arXiv 1810.09136)."""

from typing import Any

from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.anomaly_scores.judged import Judged
from vae_lab.scores import Trained


class Recon:
    """−E_q log p(x|z) in nats, without the constant that the likelihood's ``recon`` leaves out.

    It makes sense for every model. An autoencoder without a posterior decodes its code.

    Args:
        samples: number of draws of z per example.
    """

    label = "recon, nats"
    needs: tuple[str, ...] = ()

    def __init__(self, samples: PositiveInt = 4) -> None:
        self.samples = samples

    @property
    def about(self) -> dict[str, Any]:
        """The number of draws."""
        return {"latent_samples": self.samples}

    def fit(self, trained: Trained) -> None:
        """Learn nothing."""

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        return judged.terms(trained, self.samples).recon


class NegativeELBO(Recon):
    """−ELBO = −E_q log p(x|z) + KL[q(z|x) ‖ p(z)] in nats, an upper bound of −log p(x)."""

    label = "−ELBO, nats"
    needs = ("posterior",)

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        return judged.terms(trained, self.samples).anomaly


class KL(Recon):
    """KL[q(z|x) ‖ p(z)] in nats, summed over all levels; that of discrete codes is a constant, and no score."""

    label = "KL, nats"
    needs = ("posterior", "continuous")

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        kl = judged.terms(trained, self.samples).kl
        assert kl is not None
        return kl
