"""β-TCVAE: the KL split into three parts, each with its own weight (Chen et al. 2018, arXiv 1802.04942).

Decomposition (equation 2): E_x KL[q(z|x) ‖ p(z)] = I(z; x) + KL[q(z) ‖ Π_j q(z_j)] + Σ_j KL[q(z_j) ‖ p(z_j)]. The parts
are the mutual information (MI), the total correlation (TC) and the dimension-wise KL.

Loss (equation 4), in nats per example: k1 · recon + α · MI + k2 · TC + γ · dimension-wise KL. The paper's β is k2.

The aggregate posterior q(z) = (1/N) Σ_n q(z|x_n) over the N training examples is estimated from a batch of B examples
(appendix C):

- 'weighted' is minibatch-weighted sampling, the estimator of the paper: q(z_i) ≈ (1/NB) Σ_j q(z_i|x_j). It is a lower
  bound, which is too low by the factor N where many posteriors overlap. This puts the parts off by constants of up to
  log N, (D − 1) log N and D log N, which do not affect the gradients; but it is also coarse: with the constants
  removed, its MI cannot exceed log B.
- 'stratified' is minibatch-stratified sampling, which is unbiased for q(z).

The estimator is that of the loss. The logged ``mi``, ``tc`` and ``dimension_kl`` are always those of 'stratified', from
B = ``batch_size`` examples in every split, so that they can be read and compared. They are still biased, because the
logarithm of an unbiased estimate is not unbiased: with few examples near z_i, q(z_i) is usually underestimated, so that
MI and TC come out too high, and MI cannot exceed log N. For Gaussians with D = 10, q(z) = N(0, I) and posteriors of
variance 0.1, N = 60,000 and B = 128, the estimates are MI 10.9 (exactly 11.5; log N = 11.0), TC 0.9 (exactly 0) and
dimension-wise KL −0.2 (exactly 0), against MI 15.8 and TC 105.5 by 'weighted', or 4.8 and 6.5 without its constants.
``vae-lab evaluate metrics=aggregate_posterior`` computes MI from q(z) of all test images.

The parts sum to log q(z|x) − log p(z) exactly, because each is a difference of log densities at the same samples. This
sum, and not the closed form, is logged as ``kl``, as with estimator=A of objective=elbo.
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
from vae_lab.objectives.parts import in_training_sizes
from vae_lab.objectives.terms import elbo_logs, loss_terms, mean_recon, run_model
from vae_lab.schedules import Capacity
from vae_lab.types import Batch, LossTerms, Model, Normal, Step

_AT_ONCE = 2**24  # largest number of values [rows, B, D] in memory; scoring a batch of 1,000 would need gigabytes


class BetaTCVAE(nn.Module):
    """The ELBO with a weight for each part of the KL; the equations are in the module's docstring.

    It needs one level of Gaussian latents and the prior N(0, I). In training, memory grows with L·B²·D; without
    gradients it is bounded.

    Args:
        k1: weight of the reconstruction term.
        k2: weight of the total correlation, β of the paper.
        alpha: weight of the mutual information.
        gamma: weight of the dimension-wise KL.
        samples: L, the number of latent samples per example.
        estimator: 'weighted' or 'stratified': how log q(z) is estimated from a batch.
        schedule: maps (TC [], epoch []) to the tensor [] that k2 multiplies; see :mod:`vae_lab.schedules`.
        batch_size: B in validation and test; None: the number of examples in their batches.

    Raises:
        UserError: the schedule is a capacity, which is a number of nats of the complete KL and not of the TC.
    """

    k1: Tensor
    k2: Tensor
    alpha: Tensor
    gamma: Tensor
    phases = {"model": ("",)}  # noqa: RUF012 - a constant of the class
    variational = True
    matches_prior = True
    batch_terms = ("mi", "tc", "dimension_kl")
    meanings = {  # noqa: RUF012 - a constant of the class
        "mi": "I(x; z) by minibatch-stratified sampling, at most log N, nats",
        "tc": "KL[q(z) ‖ Π q(z_j)] by minibatch-stratified sampling, biased upwards, nats",
        "dimension_kl": "Σ KL[q(z_j) ‖ p(z_j)] by minibatch-stratified sampling, nats",
    }

    def __init__(
        self,
        k1: NonNegativeFloat,
        k2: NonNegativeFloat,
        alpha: NonNegativeFloat,
        gamma: NonNegativeFloat,
        samples: PositiveInt,
        estimator: Literal["weighted", "stratified"],
        schedule: Callable[[Tensor, Tensor], Tensor],
        batch_size: PositiveInt | None = None,  # runs saved by earlier versions omit it
    ) -> None:
        super().__init__()
        if isinstance(schedule, Capacity):
            raise UserError(
                "beta_schedule=capacity is for the complete KL; type objective=elbo or another beta_schedule"
            )
        for name, weight in {"k1": k1, "k2": k2, "alpha": alpha, "gamma": gamma}.items():
            self.register_buffer(name, torch.tensor(float(weight)), persistent=False)
        self.samples = samples
        self.log_weights = weighted if estimator == "weighted" else stratified
        self.schedule = schedule
        self.batch_size = batch_size

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch. It logs recon, kl, elbo, mi, tc and dimension_kl."""
        return in_training_sizes(lambda part: self._terms(model, part, step), model, batch, self.batch_size)

    def _terms(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        out = run_model(model, batch, step, self.samples, densities=True)
        z, q = one_gaussian(model, out.latents, "beta_tcvae")
        log_q, log_p = out.latents.log_q, out.latents.log_p  # [K, B]
        assert log_q is not None
        assert log_p is not None
        joint, product = log_aggregates(z, q, self.log_weights(len(batch.x), step.train_size).to(z))
        mi, tc, dimension_kl = parts_of_kl(log_q, joint, product, log_p)
        recon = mean_recon(out)
        loss = self.k1 * recon + self.alpha * mi + self.gamma * dimension_kl
        loss = loss + self.k2 * self.schedule(tc, step.epoch)
        if self.log_weights is not stratified:
            with torch.no_grad():
                joint, product = log_aggregates(z, q, stratified(len(batch.x), step.train_size).to(z))
                mi, tc, dimension_kl = parts_of_kl(log_q, joint, product, log_p)
        parts = {"mi": mi, "tc": tc, "dimension_kl": dimension_kl}
        return loss_terms(loss, {**elbo_logs(recon, (log_q - log_p).mean(), out.offset), **parts}, out, self.k1)


def parts_of_kl(log_q: Tensor, joint: Tensor, product: Tensor, log_p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means of the mutual information, the total correlation and the dimension-wise KL, each [] in nats.

    Args:
        log_q: log q(z|x) at the samples, [K, B].
        joint: log q(z), [K, B].
        product: Σ_j log q(z_j), [K, B].
        log_p: log p(z), [K, B].
    """
    return (log_q - joint).mean(), (joint - product).mean(), (product - log_p).mean()


def log_aggregates(z: Tensor, q: Normal, log_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Estimates of log q(z) and of Σ_j log q(z_j) at given samples, each [K, B] in nats.

    Args:
        z: samples [K, B, D].
        q: the posteriors of the batch, with moments [B, D].
        log_weights: log weights [B, B] of posterior j (second index) in the estimate at the sample of example i.
    """
    size, dims = q.mu.shape
    rows = max(1, _AT_ONCE // (size * dims))
    parts = []
    for z_k in z:
        for part, weights in zip(z_k.split(rows), log_weights.split(rows)):
            pairs = log_normal(part.unsqueeze(1), q.mu, q.log_var)  # [rows, B, D]
            joint = torch.logsumexp(pairs.sum(2) + weights, 1)
            parts.append(torch.stack([joint, torch.logsumexp(pairs + weights.unsqueeze(2), 1).sum(1)]))
    joint, product = torch.cat(parts, 1).unflatten(1, z.shape[:2])
    return joint, product


def weighted(batch: int, train_size: int) -> Tensor:
    """Log weights of minibatch-weighted sampling: log 1/(NB) for each pair, [B, B] (appendix C.1).

    Args:
        batch: B, the number of examples in the batch.
        train_size: N, the number of training examples.
    """
    return torch.full((batch, batch), -math.log(train_size * batch))


def stratified(batch: int, train_size: int) -> Tensor:
    """Log weights of minibatch-stratified sampling: those of posterior j at the sample of example i, [B, B].

    The weights of each row sum to 1 (appendix C.2). The example's own posterior has weight 1/N, as in q(z). The
    M = B − 1 others share the rest: M − 1 of them have weight 1/M and one has (N − M)/(NM). Where the batch is as large
    as the training set or larger, N = B.

    Args:
        batch: B, the number of examples in the batch.
        train_size: N, the number of training examples.
    """
    if batch == 1:
        return torch.zeros(1, 1)
    others, total = batch - 1, max(train_size, batch)
    weights = torch.full((batch, batch), 1 / others)
    weights.fill_diagonal_(1 / total)
    index = torch.arange(batch)
    weights[index, (index + 1) % batch] = (total - others) / (total * others)
    return weights.log()
