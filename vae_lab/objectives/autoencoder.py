"""The deterministic autoencoder: loss = recon at z = μ(x). No KL, no sampling, no bound on the likelihood.

With ``dataset.noise_std`` it is the denoising autoencoder (Vincent et al. 2008): noisy in, clean out.
"""

from torch import nn

from vae_lab.objectives.terms import loss_terms, mean_recon, run_model
from vae_lab.types import Batch, LossTerms, Model, Step


class Autoencoder(nn.Module):
    """Reconstruction alone, from the posterior's mean; log σ² of the posterior is left untrained.

    ``kl`` and ``elbo`` have no meaning here and are not logged.
    """

    phases = {"model": ("",)}  # noqa: RUF012 - a constant of the class
    samples = 1
    variational = False
    matches_prior = False

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch; logs recon."""
        out = run_model(model, batch, step, k=1, deterministic=True)
        recon = mean_recon(out)
        return loss_terms(recon, {"recon": recon}, out)
