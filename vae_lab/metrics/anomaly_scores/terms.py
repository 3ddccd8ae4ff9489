"""The terms of the ELBO as anomaly scores: −ELBO, recon and KL (An & Cho 2015; Nalisnick et al., arXiv 1810.09136)."""

from torch import Tensor

from vae_lab.metrics.anomaly_scores.judged import Judged
from vae_lab.metrics.anomaly_scores.of_draws import OfDraws
from vae_lab.scores import Trained


class Recon(OfDraws):
    """−E_q log p(x|z) in nats, without the constant that the likelihood's ``recon`` leaves out.

    It makes sense for every model. An autoencoder without a posterior decodes its code.
    """

    label = "recon, nats"
    needs: tuple[str, ...] = ()

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        return judged.terms(trained, self.samples).recon


class NegativeELBO(OfDraws):
    """−ELBO = −E_q log p(x|z) + KL[q(z|x) ‖ p(z)] in nats, an upper bound of −log p(x)."""

    label = "−ELBO, nats"
    needs = ("posterior",)

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        return judged.terms(trained, self.samples).anomaly


class KL(OfDraws):
    """KL[q(z|x) ‖ p(z)] in nats, summed over all levels; that of discrete codes is a constant, and no score."""

    label = "KL, nats"
    needs = ("posterior", "continuous")

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        kl = judged.terms(trained, self.samples).kl
        assert kl is not None
        return kl
