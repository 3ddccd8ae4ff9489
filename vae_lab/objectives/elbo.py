"""The (weighted) evidence lower bound: loss = k1 · recon + k2 · KL[q(z|x) ‖ p(z)], in nats per example.

k1 = k2 = 1 is the VAE (Kingma & Welling 2013, arXiv 1312.6114), whose loss is the negative ELBO less the likelihood's
constant. k1 = 1, k2 = β is the β-VAE (Higgins et al. 2017). Both terms are added: a loss of recon *minus* KL, as some
handouts print it, is a sign error.

Two settings allow the posterior some information at no cost. Both change the term that k2 multiplies, but not the
logged ``kl``:

- ``free_bits`` λ replaces the KL by Σ_j max(λ, KL_j), where KL_j is the batch mean of the KL of latent dimension j
  (Kingma et al. 2016, arXiv 1606.04934, equation 15). A KL that is known only for a complete level (a flow, estimator
  A) counts as one dimension. In a hierarchy λ can be the minimum rate of each level instead: Σ_l max(λ, KL_l). In a
  model of one level this is the same as ``min_rate``.
- ``min_rate`` δ replaces the KL by max(δ, KL). Like the δ-VAE (Razavi et al. 2019, arXiv 1901.03416) it aims at a rate
  of at least δ. Departure: the δ-VAE restricts the families of q and p so that no smaller rate is possible; here a
  smaller rate is possible, but does not lower the loss.

``kl_balance`` lets all levels of a hierarchy learn from the start (NVAE; Vahdat & Kautz 2020, arXiv 2007.03898,
appendix A): while the weight of the KL rises, the KL is Σ_l γ_l KL_l, where γ_l is proportional to KL_l per latent
dimension and has the mean 1. No gradient flows through γ, so that a level that already has much KL pays more for it
than an empty one. After the warm-up, and in validation and test, every γ is 1. The size of the level is on the other
side of the fraction in the paper, which prints γ_l ∝ size_l KL_l. That is a typing error: the authors' code divides by
it, as here, and so does their explanation (github.com/NVlabs/NVAE, issue 26).

>>> from vae_lab.schedules import Linear
>>> beta_vae = ELBO(k1=1, k2=4, samples=1, estimator="B", schedule=Linear(epochs=10))  # warm-up to β = 4

See :mod:`vae_lab.objectives.terms` for an example of the model, the batch and the step with which it is called.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.objectives.one_gaussian import with_sampled_kl
from vae_lab.objectives.terms import Pass, elbo_logs, loss_terms, mean_kl, mean_recon, run_model, sum_tensors
from vae_lab.types import Batch, LossTerms, Model, Step


class ELBO(nn.Module):
    """The (weighted) ELBO with L latent samples per example; the equations are in the module's docstring.

    Args:
        k1: weight of the reconstruction term.
        k2: weight of the KL term.
        samples: L.
        estimator: 'B' uses the closed form of the KL, where there is one; 'A' estimates the KL by log q(z|x) − log p(z)
            at the L samples (arXiv 1312.6114, equations 6 and 7).
        schedule: maps (mean KL [], epoch []) to the tensor [] that k2 multiplies; see :mod:`vae_lab.schedules`.
        free_bits: λ in nats per latent dimension, or per level; 0 switches it off.
        min_rate: δ in nats per example; 0 switches it off.
        free_bits_per: whether λ is the least value of the KL of each dimension, or of the sum of each level.
        kl_balance: whether the levels of a hierarchy are weighted by γ during the warm-up of the KL.

    Raises:
        UserError: ``kl_balance`` with a schedule without warm-up, or with the estimator A, which has no KL per level;
            ``free_bits_per='level'`` without ``free_bits``.
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
        free_bits: NonNegativeFloat = 0.0,  # runs saved by earlier versions omit this and what follows
        min_rate: NonNegativeFloat = 0.0,
        free_bits_per: Literal["dimension", "level"] = "dimension",
        kl_balance: bool = False,
    ) -> None:
        super().__init__()
        if free_bits_per == "level" and not free_bits:
            raise UserError("objective.free_bits_per=level changes nothing while objective.free_bits is 0; type "
                            "objective.free_bits=1, or leave it out")  # fmt: skip
        if kl_balance and not getattr(schedule, "warms_up", False):
            raise UserError("objective.kl_balance=true weighs the levels during the warm-up of the KL, and this "
                            "schedule has none; type beta_schedule=linear")  # fmt: skip
        if kl_balance and estimator == "A":
            raise UserError("objective.kl_balance=true needs the KL of every level; type objective.estimator=B")
        # These are buffers because jobs that differ in them can be trained as one stack.
        for name, number in {"k1": k1, "k2": k2, "free_bits": free_bits, "min_rate": min_rate}.items():
            self.register_buffer(name, torch.tensor(float(number)), persistent=False)
        self.floors_kl, self.balances = free_bits > 0 or min_rate > 0, kl_balance
        self.floors_levels = free_bits_per == "level" and free_bits > 0
        self.samples = samples
        self.sampled_kl = estimator == "A"
        self.schedule = schedule

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch. It logs recon, kl and elbo.

        Raises:
            UserError: the KL of each level is to be floored, and only their sum is estimated.
        """
        out = run_model(model, batch, step, self.samples, densities=self.sampled_kl)
        if self.sampled_kl:
            if self.floors_levels and len(out.latents.kl) > 1:
                raise UserError("objective.free_bits_per=level needs the KL of each level, and objective.estimator=A "
                                "gives that of all levels together; type objective.estimator=B")  # fmt: skip
            out = with_sampled_kl(out)
        recon, kl = mean_recon(out), mean_kl(out)
        counted = self._counted(out, step.epoch) if self.floors_kl or self.balances else kl
        loss = self.k1 * recon + self.k2 * self.schedule(counted, step.epoch)
        return loss_terms(loss, elbo_logs(recon, kl, out.offset), out, self.k1)

    def _counted(self, out: Pass, epoch: Tensor) -> Tensor:
        """The mean KL, with λ as the least value of each dimension or level and δ as that of the sum: []."""
        means = [part.mean((0, 1)) for part in out.latents.kl]
        levels = [at_least(self.free_bits, mean.sum() if self.floors_levels else mean).sum() for mean in means]
        total = sum_tensors(levels)
        if self.balances:
            balanced = balanced_kl(levels, [mean.numel() for mean in means])
            total = torch.where(self._warms_up(epoch), balanced, total)
        return at_least(self.min_rate, total)

    def _warms_up(self, epoch: Tensor) -> Tensor:
        """Whether the schedule's weight is still below its final value: []."""
        one = torch.ones_like(epoch)
        return self.schedule(one, epoch) < self.schedule(one, torch.full_like(epoch, torch.inf))


def balanced_kl(levels: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
    """Σ_l γ_l KL_l with γ_l ∝ (|KL_l| + 0.01)/size_l of mean 1, through which no gradient flows: [].

    The 0.01 nats are those of the authors' code; with them an empty level has a weight, too.

    Args:
        levels: mean KL of each level, each [], in nats.
        sizes: number of latent dimensions of each level.

    Raises:
        UserError: there is a single level.
    """
    if len(levels) == 1:
        raise UserError("objective.kl_balance=true weighs the levels of a hierarchy, and this model has one level; "
                        "type objective.kl_balance=false")  # fmt: skip
    per_dimension = torch.stack([(kl.detach().abs() + 0.01) / size for kl, size in zip(levels, sizes)])
    return (per_dimension / per_dimension.mean() * torch.stack(list(levels))).sum()


def at_least(floor: Tensor, x: Tensor) -> Tensor:
    """max(floor, x) elementwise. A floor of 0 means no floor, because a sampled KL may be negative."""
    return torch.where(floor > 0, torch.maximum(x, floor), x)
