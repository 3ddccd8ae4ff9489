"""The two steps that every objective takes: run the model on a batch, and read recon, kl and elbo off it."""

from dataclasses import dataclass, replace
from typing import Any

import torch
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
        latents = replace(latents, z=posterior_means(latents))
    params = latents.params if latents.params is not None else model.decode(latents.z, batch.y)
    if model.training:
        model.likelihood.observe(params, batch.target)
    log_px = model.likelihood.log_prob(params, batch.target)
    return Pass(latents, params, log_px, model.likelihood.recon_offset(batch.target[0].numel()))


def posterior_means(latents: Latents) -> tuple[Tensor, ...]:
    """The mean of q(z|x) on every level, each [1, B, ...].

    Raises:
        UserError: the posterior has no density at an arbitrary z, and so no mean that could be named (flows).
    """
    if any(q is None for q in latents.q):
        raise UserError("objective=ae needs a posterior with a mean; type objective=elbo or another model")
    return tuple(q.mu.unsqueeze(0) for q in latents.q if q is not None)


def recon_per_image(out: Pass) -> Tensor:
    """−log p(x|z) less the likelihood's offset, averaged over the K samples: [B] nats."""
    return -out.log_px.mean(0) - out.offset


def kl_per_image(out: Pass) -> Tensor:
    """KL summed over dimensions and levels, averaged over samples where it is a sampled one: [B] nats."""
    return torch.stack([kl.flatten(2).sum(2).mean(0) for kl in out.latents.kl]).sum(0)


def elbo_logs(recon: Tensor, kl: Tensor, offset: float) -> dict[str, Tensor]:
    """``recon``, ``kl`` and ``elbo`` = −(recon + offset) − kl as batch means, always unweighted."""
    recon, kl = recon.detach().mean(), kl.detach().mean()
    return {"recon": recon, "kl": kl, "elbo": -(recon + offset) - kl}
