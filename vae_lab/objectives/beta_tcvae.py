"""β-TCVAE: the KL in three parts, each with its weight (Chen et al. 2018, arXiv 1802.04942, equations 2 and 4).

E_x KL[q(z|x) ‖ p(z)] = I(z; x) + KL[q(z) ‖ Π_j q(z_j)] + Σ_j KL[q(z_j) ‖ p(z_j)]: mutual information (MI), total
correlation (TC), dimension-wise KL. loss = k1 · recon + α · MI + k2 · TC + γ · dimension-wise KL: the paper's β is k2.

q(z) = (1/N) Σ_n q(z|x_n) over the N training images is estimated from a batch of B (appendix C):

- 'weighted', minibatch-weighted sampling, the paper's: q(z_i) ≈ (1/NB) Σ_j q(z_i|x_j). A lower bound, and low by the
  factor N where many posteriors overlap: there ``tc`` is logged up to (D − 1) log N too high, ``mi`` log N too high
  and ``dimension_kl`` D log N too low. The gradients do not see these constants.
- 'stratified', minibatch-stratified sampling: unbiased for q(z), and so without them. Take it to read the numbers.

The parts add up to log q(z|x) − log p(z) exactly, since each is a difference at the same samples; that, and not the
closed form, is ``kl`` here, as under estimator=A of objective=elbo.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.functional import log_normal
from vae_lab.objectives.one_gaussian import one_gaussian
from vae_lab.objectives.terms import elbo_logs, loss_terms, mean_recon, run_model
from vae_lab.schedules import Capacity
from vae_lab.types import Batch, LossTerms, Model, Normal, Step

_AT_ONCE = 2**24  # numbers [rows, B, D] that are held; a batch of 1,000 in scoring would need gigabytes otherwise


class BetaTCVAE(nn.Module):
    """The weighted decomposition, with L latent samples per image.

    Args:
        k1: weight of the reconstruction term.
        k2: weight of the total correlation, β of the paper.
        alpha: weight of the mutual information.
        gamma: weight of the dimension-wise KL.
        samples: L.
        estimator: of log q(z), see above.
        schedule: (TC [], epoch []) to what k2 multiplies.

    Memory grows with L·B²·D in training; without gradients it is bounded.

    Raises:
        UserError: the schedule aims at a number of nats, which is the KL's and not the TC's.
    """

    k1: Tensor
    k2: Tensor
    alpha: Tensor
    gamma: Tensor
    phases = {"model": ("",)}  # noqa: RUF012 - a constant of the class
    variational = True
    matches_prior = True

    def __init__(
        self,
        k1: NonNegativeFloat,
        k2: NonNegativeFloat,
        alpha: NonNegativeFloat,
        gamma: NonNegativeFloat,
        samples: PositiveInt,
        estimator: Literal["weighted", "stratified"],
        schedule: Callable[[Tensor, Tensor], Tensor],
    ) -> None:
        super().__init__()
        if isinstance(schedule, Capacity):
            raise UserError("beta_schedule=capacity is for the KL as a whole; type objective=elbo or another schedule")
        for name, weight in {"k1": k1, "k2": k2, "alpha": alpha, "gamma": gamma}.items():
            self.register_buffer(name, torch.tensor(float(weight)), persistent=False)
        self.samples = samples
        self.log_weights = weighted if estimator == "weighted" else stratified
        self.schedule = schedule

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch; logs recon, kl, elbo, mi, tc and dimension_kl."""
        out = run_model(model, batch, step, self.samples, densities=True)
        z, q = one_gaussian(model, out.latents, "beta_tcvae")
        log_q, log_p = out.latents.log_q, out.latents.log_p  # [K, B]
        assert log_q is not None
        assert log_p is not None
        joint, product = log_aggregate(z, q, self.log_weights(len(batch.x), step.train_size).to(z))
        mi, tc, dimension_kl = ((log_q - joint).mean(), (joint - product).mean(), (product - log_p).mean())
        recon = mean_recon(out)
        loss = self.k1 * recon + self.alpha * mi + self.gamma * dimension_kl
        loss = loss + self.k2 * self.schedule(tc, step.epoch)
        parts = {"mi": mi, "tc": tc, "dimension_kl": dimension_kl}
        return loss_terms(loss, {**elbo_logs(recon, (log_q - log_p).mean(), out.offset), **parts}, out)


def log_aggregate(z: Tensor, q: Normal, log_weights: Tensor) -> tuple[Tensor, Tensor]:
    """log q(z) and Σ_j log q(z_j) at samples z [K, B, D], each [K, B], by weights of the posteriors [B, B]."""
    images, dims = q.mu.shape
    rows = max(1, _AT_ONCE // (images * dims))
    parts = []
    for z_k in z:
        for some, weights in zip(z_k.split(rows), log_weights.split(rows)):
            pairs = log_normal(some.unsqueeze(1), q.mu, q.log_var)  # [rows, B, D]
            joint = torch.logsumexp(pairs.sum(2) + weights, 1)
            parts.append(torch.stack([joint, torch.logsumexp(pairs + weights.unsqueeze(2), 1).sum(1)]))
    joint, product = torch.cat(parts, 1).unflatten(1, z.shape[:2])
    return joint, product


def weighted(batch: int, images: int) -> Tensor:
    """log 1/(NB) for each pair: [B, B] (appendix C.1)."""
    return torch.full((batch, batch), -math.log(images * batch))


def stratified(batch: int, images: int) -> Tensor:
    """Log weights [B, B] of x_j at z_i, each row summing to 1 (appendix C.2).

    An image's own posterior counts 1/N, as it does in q(z); the M = B − 1 others share the rest, (M − 1) of them with
    1/M and one with (N − M)/(NM). Where the batch is as large as the training set, N is taken to be B.
    """
    if batch == 1:
        return torch.zeros(1, 1)
    others, total = batch - 1, max(images, batch)
    weights = torch.full((batch, batch), 1 / others)
    weights.fill_diagonal_(1 / total)
    index = torch.arange(batch)
    weights[index, (index + 1) % batch] = (total - others) / (total * others)
    return weights.log()
