"""The deterministic autoencoder: loss = recon at z = μ(x). No KL, no sampling, no bound on the likelihood.

With ``dataset.noise_std`` it is the denoising autoencoder (Vincent et al. 2008): noisy in, clean out.
"""

from typing import Any

from torch import nn

from vae_lab.objectives.terms import mean_recon, run_model
from vae_lab.types import Batch, LossTerms, Step


class Autoencoder(nn.Module):
    """Reconstruction alone, from the posterior's mean; log σ² of the posterior is left untrained.

    ``kl`` and ``elbo`` have no meaning here and are not logged.
    """

    phases = {"model": ("",)}  # noqa: RUF012 - a constant of the class
    samples = 1
    variational = False
    matches_prior = False

    def forward(self, model: Any, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch; logs recon."""
        recon = mean_recon(run_model(model, batch, step, k=1, deterministic=True))
        return LossTerms(recon, {"recon": recon.detach()})
