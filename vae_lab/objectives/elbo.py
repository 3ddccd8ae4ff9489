"""The evidence lower bound: loss = k1 · recon + k2 · KL[q(z|x) ‖ p(z)], in nats per image.

k1 = k2 = 1 is the VAE (Kingma & Welling 2013, arXiv 1312.6114); k1 = 1, k2 = β the β-VAE (Higgins et al. 2017). Both
terms are added: a loss of recon *minus* KL, as some handouts print it, is a sign error.

Two numbers let the posterior keep some information at no cost; both change what k2 multiplies, and no logged ``kl``:

- ``free_bits`` λ: Σ_j max(λ, mean KL_j) over latent dimensions j, the mean being the batch's (Kingma et al. 2016, arXiv
  1606.04934, equation 15). A KL that is known of a whole level only (a flow, estimator A) counts as one dimension.
- ``min_rate`` δ: max(δ, KL) of the whole. It has the aim of the δ-VAE (Razavi et al. 2019, arXiv 1901.03416), a rate of
  at least δ, but not its means: there the families of q and p rule out less, here nothing is gained below δ.
"""

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.objectives.one_gaussian import with_sampled_kl
from vae_lab.objectives.terms import Pass, elbo_logs, loss_terms, mean_kl, mean_recon, run_model, sum_tensors
from vae_lab.types import Batch, LossTerms, Model, Step


class ELBO(nn.Module):
    """The (weighted) ELBO with L latent samples per image.

    Args:
        k1: weight of the reconstruction term.
        k2: weight of the KL term.
        samples: L.
        estimator: 'B' takes the KL in closed form; 'A' estimates it by log q(z|x) − log p(z) at the L samples
            (arXiv 1312.6114, equations 6 and 7).
        schedule: (mean KL [], epoch []) to what k2 multiplies.
        free_bits: λ in nats per latent dimension; 0: off.
        min_rate: δ in nats per image; 0: off.
    """

    k1: Tensor
    k2: Tensor
    free_bits: Tensor
    min_rate: Tensor
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
        free_bits: NonNegativeFloat = 0.0,  # earlier runs do not name them
        min_rate: NonNegativeFloat = 0.0,
    ) -> None:
        super().__init__()
        # Buffers, not numbers: jobs that are trained as one stack differ in them.
        for name, number in {"k1": k1, "k2": k2, "free_bits": free_bits, "min_rate": min_rate}.items():
            self.register_buffer(name, torch.tensor(float(number)), persistent=False)
        self.has_floors = free_bits > 0 or min_rate > 0
        self.samples = samples
        self.sampled_kl = estimator == "A"
        self.schedule = schedule

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch; logs recon, kl and elbo."""
        out = run_model(model, batch, step, self.samples, densities=self.sampled_kl)
        if self.sampled_kl:
            out = with_sampled_kl(out)
        recon, kl = mean_recon(out), mean_kl(out)
        counted = self._floored(out) if self.has_floors else kl
        loss = self.k1 * recon + self.k2 * self.schedule(counted, step.epoch)
        return loss_terms(loss, elbo_logs(recon, kl, out.offset), out)

    def _floored(self, out: Pass) -> Tensor:
        """The KL with λ of each dimension and δ of the whole as least values: []."""
        per_dimension = (at_least(self.free_bits, part.mean((0, 1))) for part in out.latents.kl)
        return at_least(self.min_rate, sum_tensors(part.sum() for part in per_dimension))


def at_least(floor: Tensor, x: Tensor) -> Tensor:
    """max(floor, x) elementwise, or x itself where the floor is 0 (a sampled KL may be negative)."""
    return torch.where(floor > 0, torch.maximum(x, floor), x)
