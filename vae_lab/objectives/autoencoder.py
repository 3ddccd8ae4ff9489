"""The deterministic autoencoder: loss = recon at z = μ(x), in nats per example.

It has no KL term and draws no samples, and its loss is no bound on the likelihood. With ``dataset.noise_std`` it is the
denoising autoencoder (Vincent et al. 2008), which reconstructs the clean image from a noisy one.
"""

from torch import nn

from vae_lab.objectives.terms import loss_terms, mean_recon, run_model
from vae_lab.types import Batch, LossTerms, Model, Step


class Autoencoder(nn.Module):
    """The reconstruction term alone, computed at the posterior's mean μ(x): loss = −log p(x | z = μ(x)).

    log σ² of the posterior is not trained. ``kl`` and ``elbo`` have no meaning here and are not logged.

    Raises:
        UserError: the posterior has no mean in closed form, or the prior has parameters that only a KL term trains.
    """

    phases = {"model": ("",)}  # noqa: RUF012 - a constant of the class
    samples = 1
    variational = False
    matches_prior = False

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch. It logs recon."""
        out = run_model(model, batch, step, k=1, deterministic=True)
        recon = mean_recon(out)
        return loss_terms(recon, {"recon": recon}, out, 1.0)
