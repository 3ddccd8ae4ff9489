"""The two steps that every objective takes: run the model on a batch, and read recon, kl and elbo off it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.types import Batch, Latents, Step


@dataclass
class Pass:
    """One trip of a batch through a model."""

    latents: Latents
    params: Tensor  # [K, B, C', H, W]
    log_px: Tensor  # [K, B] nats, log p(target|z)
    offset: float  # nats of −log p(x|z) that the reported recon leaves out


def run_model(
    model: Any, batch: Batch, step: Step, k: int, densities: bool = False, deterministic: bool = False
) -> Pass:
    """Infer k latents per image, decode them, let the likelihood observe (while training), score the target.

    With ``deterministic`` the one latent is the posterior's mean.
    """
    latents = model.infer(batch.x, batch.y, k, step.noise, densities)
    if deterministic:
        if not getattr(getattr(model, "prior", None), "standard", True):
            raise UserError("this objective has no KL that a prior could learn from; type prior=standard")
        latents = replace(latents, z=posterior_means(latents))
    params = latents.params if latents.params is not None else model.decode(latents.z, batch.y)
    params = params.float()  # under mixed precision a sum over pixels would be rounded to 8 bits
    if model.training:
        model.likelihood.observe(params, batch.target)
    log_px = model.likelihood.log_prob(params, batch.target)
    return Pass(latents, params, log_px, model.likelihood.recon_offset(math.prod(batch.target.shape[1:])))


def posterior_means(latents: Latents) -> tuple[Tensor, ...]:
    """The mean of q(z|x) on every level, each [1, B, ...].

    Raises:
        UserError: the posterior has no density at an arbitrary z, and so no mean that could be named (flows).
    """
    if any(q is None for q in latents.q):
        raise UserError("this objective needs a posterior with a mean; type posterior=diagonal or objective=elbo")
    return tuple(q.mu.unsqueeze(0) for q in latents.q if q is not None)


def mean_recon(out: Pass) -> Tensor:
    """−log p(x|z) less the likelihood's offset, averaged over samples and images: [] nats per image."""
    return -out.offset - out.log_px.mean()


def mean_kl(out: Pass) -> Tensor:
    """KL summed over dimensions and levels, averaged over samples (of a sampled one) and images: [] nats per image."""
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
