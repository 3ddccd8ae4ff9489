"""The steps that every objective takes: run the model on a batch, read recon, kl and elbo off it, return the terms.

>>> out = run_model(model, batch, step, k=1)
>>> recon, kl = mean_recon(out), mean_kl(out)
>>> return loss_terms(recon + kl, elbo_logs(recon, kl, out.offset), out)
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.inference import at_the_means, has_means
from vae_lab.types import Batch, Latents, LossTerms, Model, Step


@dataclass
class Pass:
    """The result of running a model on a batch."""

    latents: Latents
    params: Tensor  # [K, B, *params_shape]
    log_px: Tensor  # [K, B] nats, log p(target|z)
    offset: float  # nats of −log p(x|z) that the reported recon leaves out


def run_model(
    model: Model, batch: Batch, step: Step, k: int, densities: bool = False, deterministic: bool = False
) -> Pass:
    """Infer k latents per example, decode them, let the likelihood observe (while training), score the target.

    Args:
        model: in training or evaluation mode.
        batch: B examples.
        step: gives the noise.
        k: latent samples per example.
        densities: also compute log q(z|x) and log p(z).
        deterministic: the only latent is the posterior's mean, on every level given the means above it.

    Raises:
        UserError: ``deterministic`` does not fit the model.
    """
    if deterministic:
        latents = infer_means(model, batch, step)
    else:
        latents = model.infer(batch.x, batch.y, k, step.noise, densities)
    params = latents.params if latents.params is not None else model.decode(latents.z, batch.y)
    params = params.float()  # mixed precision would round a sum over pixels to 8 bits
    if model.training:
        model.likelihood.observe(params, batch.target)
    log_px = model.likelihood.log_prob(params, batch.target)
    return Pass(latents, params, log_px, model.likelihood.recon_offset(math.prod(batch.target.shape[1:])))


def infer_means(model: Model, batch: Batch, step: Step) -> Latents:
    """Latents at the mean of every level, each [1, B, ...].

    Raises:
        UserError: the posterior has no mean in closed form (flows), or the prior has parameters that only a KL trains.
    """
    if model.kl_trains_prior:
        raise UserError("this objective has no KL that a prior could learn from; type prior=standard")
    latents = at_the_means(model, batch.x, batch.y, step.noise)
    if not has_means(model, latents):
        raise UserError("this objective needs a posterior with a mean; type posterior=diagonal or objective=elbo")
    return latents


def mean_recon(out: Pass) -> Tensor:
    """−log p(x|z) less the likelihood's offset, averaged over samples and examples: [] nats per example."""
    return -out.offset - out.log_px.mean()


def mean_kl(out: Pass) -> Tensor:
    """KL summed over dimensions and levels, averaged over samples and examples: [] nats per example."""
    return sum_tensors(kl.sum() / (kl.shape[0] * kl.shape[1]) for kl in out.latents.kl)


def sum_tensors(tensors: Iterable[Tensor]) -> Tensor:
    """The sum of at least one tensor."""
    first, *others = tensors
    for other in others:
        first = first + other
    return first


def elbo_logs(recon: Tensor, kl: Tensor, offset: float) -> dict[str, Tensor]:
    """``recon``, ``kl`` and ``elbo`` = −(recon + offset) − kl, batch means, always unweighted."""
    recon, kl = recon.detach(), kl.detach()
    return {"recon": recon, "kl": kl, "elbo": -offset - (recon + kl)}


def loss_terms(loss: Tensor, logs: dict[str, Tensor], out: Pass) -> LossTerms:
    """The terms of an objective, with the model's auxiliary losses (``Latents.aux``) added with weight 1 and logged.

    Args:
        loss: the objective's loss, [].
        logs: its terms, each []; they are detached here.
        out: the pass that the loss was computed from.
    """
    logs = {name: value.detach() if value.requires_grad else value for name, value in logs.items()}
    for name, values in out.latents.aux.items():
        extra = values.mean()
        loss, logs[name] = loss + extra, extra.detach()
    return LossTerms(loss, logs)
