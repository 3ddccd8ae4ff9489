"""The importance-weighted negative log-likelihood as an anomaly score (Burda et al. 2016, arXiv 1509.00519)."""

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.functional import log_mean_exp
from vae_lab.metrics.anomaly_scores.judged import Judged, finite
from vae_lab.metrics.anomaly_scores.of_draws import OfDraws
from vae_lab.metrics.nll import log_weights
from vae_lab.scores import Trained
from vae_lab.types import Batch


class ImportanceNLL(OfDraws):
    """−L_K = −log (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x), in nats: a tighter bound of −log p(x) than −ELBO.

    Args:
        samples: K, the number of importance samples per example; 1 gives −ELBO, from one draw.
    """

    label = "importance-weighted NLL, nats"
    needs = ("posterior", "densities")

    def __init__(self, samples: PositiveInt = 64) -> None:
        super().__init__(samples)

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """Float64 [n] nats."""
        noise, bounds = trained.noise(f"{judged.purpose}, importance"), []
        with torch.inference_mode():
            for x, y in judged.parts(trained, max(1, 1000 // self.samples), "importance samples"):
                log_w = log_weights(trained.model, Batch(x, x, y), self.samples, noise)  # [K, b]
                bounds.append(-log_mean_exp(log_w).cpu())
        return finite(torch.cat(bounds))
