"""DIP-VAE: the ELBO and a penalty that draws the covariance of q(z) to the identity (Kumar et al. 2018).

Loss (arXiv 1711.00848, equations 6 and 7), in nats per example:

    k1 · recon + k2 · KL + λ_od Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)²

The covariance C [D, D] is Cov_x[μ(x)] for DIP-VAE-I, and Cov_q(z)[z] = Cov_x[μ(x)] + E_x[diag σ²(x)] for DIP-VAE-II. It
is computed from the present batch and divided by B (not B − 1), so that a single example has covariance 0. Both
penalties are therefore larger in small batches, because they include the sampling error of C; validation and test
compute them from as many examples as training (:mod:`vae_lab.objectives.parts`).
"""

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.objectives.one_gaussian import one_gaussian
from vae_lab.objectives.parts import in_training_sizes
from vae_lab.objectives.terms import elbo_logs, loss_terms, mean_kl, mean_recon, run_model
from vae_lab.types import Batch, LossTerms, Model, Normal, Step


class DIPVAE(nn.Module):
    """The ELBO with both penalties on the covariance; the equations are in the module's docstring.

    It needs one level of Gaussian latents and the prior N(0, I).

    Args:
        k1, k2: weights of the reconstruction term and of the KL term.
        lambda_od: weight of the squared covariances off the diagonal.
        lambda_d: weight of the squared distances of the variances from 1.
        covariance: 'means' for DIP-VAE-I, 'codes' for DIP-VAE-II.
        samples: latent samples per example, for recon.
        schedule: maps (mean KL [], epoch []) to the tensor [] that k2 multiplies; see :mod:`vae_lab.schedules`.
        batch_size: number of examples of which C is computed in validation and test; None: those of their batches.
    """

    k1: Tensor
    k2: Tensor
    lambda_od: Tensor
    lambda_d: Tensor
    phases = {"model": ("",)}  # noqa: RUF012 - a constant of the class
    variational = True
    matches_prior = True
    batch_terms = ("off_diagonal", "diagonal")
    meanings = {  # noqa: RUF012 - a constant of the class
        "off_diagonal": "squared covariances of the codes off the diagonal, in batches, 0 is the aim",
        "diagonal": "squared distances of the codes' variances from 1, in batches, 0 is the aim",
    }

    def __init__(
        self,
        k1: NonNegativeFloat,
        k2: NonNegativeFloat,
        lambda_od: NonNegativeFloat,
        lambda_d: NonNegativeFloat,
        covariance: Literal["means", "codes"],
        samples: PositiveInt,
        schedule: Callable[[Tensor, Tensor], Tensor],
        batch_size: PositiveInt | None = None,  # runs saved by earlier versions omit it
    ) -> None:
        super().__init__()
        for name, weight in {"k1": k1, "k2": k2, "lambda_od": lambda_od, "lambda_d": lambda_d}.items():
            self.register_buffer(name, torch.tensor(float(weight)), persistent=False)
        self.of_codes = covariance == "codes"
        self.samples = samples
        self.schedule = schedule
        self.batch_size = batch_size

    def forward(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        """The loss on one batch. It logs recon, kl, elbo and both penalties, off_diagonal and diagonal."""
        return in_training_sizes(lambda part: self._terms(model, part, step), model, batch, self.batch_size)

    def _terms(self, model: Model, batch: Batch, step: Step) -> LossTerms:
        out = run_model(model, batch, step, self.samples)
        _, q = one_gaussian(model, out.latents, "dip_vae_ii" if self.of_codes else "dip_vae_i")
        recon, kl = mean_recon(out), mean_kl(out)
        off_diagonal, diagonal = penalties(covariance(q, self.of_codes))
        loss = self.k1 * recon + self.k2 * self.schedule(kl, step.epoch)
        loss = loss + self.lambda_od * off_diagonal + self.lambda_d * diagonal
        logs = {"off_diagonal": off_diagonal, "diagonal": diagonal}
        return loss_terms(loss, {**elbo_logs(recon, kl, out.offset), **logs}, out, self.k1)


def covariance(q: Normal, of_codes: bool) -> Tensor:
    """The covariance over a batch of the posterior means or of codes drawn from the posteriors: [D, D].

    Args:
        q: the posteriors, with moments [B, D].
        of_codes: whether the covariance is that of codes (DIP-VAE-II), or that of the means (DIP-VAE-I).
    """
    centred = q.mu - q.mu.mean(0)
    of_means = centred.T @ centred / len(centred)
    return of_means + torch.diag(q.log_var.exp().mean(0)) if of_codes else of_means


def penalties(c: Tensor) -> tuple[Tensor, Tensor]:
    """Both penalties of a covariance C [D, D]: Σ_{i≠j} C_ij² and Σ_i (C_ii − 1)², each []."""
    variances = c.diagonal()
    return (c - torch.diag(variances)).square().sum(), (variances - 1).square().sum()
