"""The evidence lower bound: loss = k1 · recon + k2 · KL[q(z|x) ‖ p(z)], in nats per image.

k1 = k2 = 1 is the VAE (Kingma & Welling 2013, arXiv 1312.6114); k1 = 1, k2 = β the β-VAE (Higgins et al. 2017). Both
terms are added: a loss of recon *minus* KL, as some handouts print it, is a sign error.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.objectives.terms import elbo_logs, mean_kl, mean_recon, run_model
from vae_lab.types import Batch, LossTerms, Step


class ELBO(nn.Module):
    """The (weighted) ELBO with L latent samples per image.

    Args:
        k1: weight of the reconstruction term.
        k2: weight of the KL term.
        samples: L.
        estimator: 'B' takes the KL in closed form; 'A' estimates it by log q(z|x) − log p(z) at the L samples
            (arXiv 1312.6114, equations 6 and 7).
        schedule: (mean KL [], epoch []) to what k2 multiplies.
    """

    k1: Tensor
    k2: Tensor
    phases = {"model": ("",)}  # noqa: RUF012 - a constant of the class
    variational = True
    matches_prior = True

    def __init__(
        self,
        k1: NonNegativeFloat,
        k2: NonNegativeFloat,
        samples: PositiveInt,
        estimator: Literal["A", "B"],
        schedule: Callable[[Tensor, Tensor], Tensor],
    ) -> None:
        super().__init__()
        # Buffers, not numbers: jobs that are trained as one stack differ in them.
        self.register_buffer("k1", torch.tensor(float(k1)), persistent=False)
        self.register_buffer("k2", torch.tensor(float(k2)), persistent=False)
        self.samples = samples
        self.sampled_kl = estimator == "A"
        self.schedule = schedule

    def forward(self, model: Any, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch; logs recon, kl and elbo."""
        out = run_model(model, batch, step, self.samples, densities=self.sampled_kl)
        recon, kl = mean_recon(out), mean_kl(out)
        if self.sampled_kl:
            assert out.latents.log_q is not None
            assert out.latents.log_p is not None
            kl = (out.latents.log_q - out.latents.log_p).mean()
        loss = self.k1 * recon + self.k2 * self.schedule(kl, step.epoch)
        for extra in out.latents.aux.values():
            loss = loss + extra.mean()
        return LossTerms(loss, elbo_logs(recon, kl, out.offset))
