"""The steps that objectives share: run the model on a batch, compute recon, kl and elbo, and return the loss terms.

With them, the loss of the VAE takes three lines:

>>> def negative_elbo(model, batch, step):
...     out = run_model(model, batch, step, k=1)
...     recon, kl = mean_recon(out), mean_kl(out)
...     return loss_terms(recon + kl, elbo_logs(recon, kl, out.offset), out)

It can be called on any model and batch:

>>> import torch
>>> from vae_lab.likelihoods import Bernoulli
>>> from vae_lab.models.single_level import SingleLevel
>>> from vae_lab.nets.dense import Dense
>>> from vae_lab.noise import SeededNoise
>>> from vae_lab.posteriors import DiagonalNormal
>>> model = SingleLevel(Dense(width=16, depth=1), DiagonalNormal, Bernoulli(), x_shape=(1, 8, 8), latent_dim=2)
>>> x = torch.rand(5, 1, 8, 8).round()
>>> step = Step(torch.tensor(0.0), torch.tensor(0.0), SeededNoise("cpu", 0), "model", train_size=1000)
>>> terms = negative_elbo(model, Batch(x, x, None), step)
>>> terms.loss.shape, sorted(terms.logs)
(torch.Size([]), ['elbo', 'kl', 'recon'])
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.inference import at_the_means, has_means
from vae_lab.types import KL_OF_LEVEL, Batch, Latents, Likelihood, LossTerms, Model, Step


@dataclass
class Pass:
    """The result of running a model on a batch of B examples, with K latent samples each."""

    latents: Latents
    params: Tensor  # the decoder's output, [K, B, *params_shape]
    log_px: Tensor  # log p(target|z), [K, B] nats, for the loss
    offset: float  # nats per example of −log p(x|z) that the reported recon leaves out
    scored: Tensor | None = None  # log p as it is reported, if the loss fits σ to the batch: [K, B], detached


def run_model(
    model: Model, batch: Batch, step: Step, k: int, densities: bool = False, deterministic: bool = False
) -> Pass:
    """Infer k latents per example, decode them, and compute log p(target|z).

    In training mode the likelihood also updates its running state (``Likelihood.observe``), after it has scored the
    batch under the state of earlier batches. It does so in phase 'model' only, once per batch, however many phases run
    the model.

    Args:
        model: in training or evaluation mode.
        batch: B examples.
        step: provides the noise.
        k: latent samples per example.
        densities: also compute log q(z|x) and log p(z).
        deterministic: instead of drawing, use the posterior's mean on every level, given the means above it.

    Raises:
        UserError: ``deterministic`` was requested for a model without posterior means, or whose prior needs a KL term.
    """
    if deterministic:
        latents = infer_means(model, batch, step)
    else:
        latents = model.infer(batch.x, batch.y, k, step.noise, densities)
    params = latents.params if latents.params is not None else model.decode(latents.z, batch.y)
    params = params.float()  # in mixed precision, a sum over pixels would be rounded to 8 bits
    scored = _scored(model, params.detach(), batch.target) if model.training else None
    if model.training and step.phase == "model":
        model.likelihood.observe(params, batch.target)
    log_px = model.likelihood.log_prob(params, batch.target)
    return Pass(latents, params, log_px, model.likelihood.recon_offset(math.prod(batch.target.shape[1:])), scored)


def _scored(model: Model, params: Tensor, target: Tensor) -> Tensor | None:
    """Log p(target|z) under the likelihood's state, [K, B]; None if ``log_prob`` does not fit the state to a batch."""
    fits = hasattr(model.likelihood, "scored_log_prob")
    return scored_log_prob(model.likelihood, params, target) if fits else None


def scored_log_prob(likelihood: Likelihood, params: Tensor, target: Tensor) -> Tensor:
    """Log p(target|z) with the likelihood's running state, which the targets do not change: [K, B] nats."""
    score = getattr(likelihood, "scored_log_prob", likelihood.log_prob)
    return cast(Tensor, score(params, target))


def infer_means(model: Model, batch: Batch, step: Step) -> Latents:
    """Latents at the mean of every level, each [1, B, ...].

    Raises:
        UserError: the posterior has no mean in closed form (flows), or the prior has parameters that only a KL term
            trains.
    """
    if model.kl_trains_prior:
        instead = "objective=elbo" if len(model.latent_shapes) > 1 else "prior=standard"
        raise UserError(f"this objective has no KL term that would train the prior; type {instead}")
    latents = at_the_means(model, batch.x, batch.y, step.noise)
    if not has_means(model, latents):
        raise UserError("this objective needs a posterior with a mean; type posterior=diagonal or objective=elbo")
    return latents


def mean_recon(out: Pass) -> Tensor:
    """−log p(x|z) less the likelihood's offset, averaged over samples and examples: [], in nats per example."""
    return -out.offset - out.log_px.mean()


def mean_kl(out: Pass) -> Tensor:
    """The KL, summed over dimensions and levels and averaged over samples and examples: [], in nats per example."""
    return sum_tensors(kl.sum() / (kl.shape[0] * kl.shape[1]) for kl in out.latents.kl)


def sum_tensors(tensors: Iterable[Tensor]) -> Tensor:
    """The sum of one or more tensors; ``sum`` would add the number 0 to the first."""
    first, *others = tensors
    for other in others:
        first = first + other
    return first


def elbo_logs(recon: Tensor, kl: Tensor, offset: float) -> dict[str, Tensor]:
    """The terms ``recon``, ``kl`` and ``elbo`` = −(recon + offset) − kl, without weights and detached.

    Args:
        recon: batch mean of the reconstruction term, [].
        kl: batch mean of the KL, [].
        offset: nats per example that recon leaves out.
    """
    recon, kl = recon.detach(), kl.detach()
    return {"recon": recon, "kl": kl, "elbo": -offset - (recon + kl)}


def level_logs(latents: Latents) -> dict[str, Tensor]:
    """The KL of each level of a hierarchy, ``kl_level1`` next to the data, each []; empty for a single level.

    It is also empty where the KL says nothing: discrete codes have a constant one.
    """
    levels = len(latents.kl)
    if levels == 1 or latents.codes is not None:
        return {}
    return {f"{KL_OF_LEVEL}{levels - i}": kl.detach().mean((0, 1)).sum() for i, kl in enumerate(latents.kl)}


def loss_terms(
    loss: Tensor, logs: dict[str, Tensor], out: Pass, recon_weight: Tensor | float | None = None
) -> LossTerms:
    """The terms of an objective, with the model's auxiliary losses (``Latents.aux``) added with weight 1 and logged.

    Where the loss fits σ to the batch, ``recon``, ``elbo`` and ``loss`` are logged as they are with the running σ, so
    that ``elbo`` is a bound in training, too. The loss that is minimised remains that of the fitted σ. Where ``kl`` is
    logged, the KL of each level of a hierarchy is logged with it.

    Args:
        loss: the objective's loss, [].
        logs: the terms to log, each []; they are detached here.
        out: the pass from which the loss was computed.
        recon_weight: weight of recon in the loss; None: the loss is logged as it is minimised.
    """
    logs = {name: value.detach() if value.requires_grad else value for name, value in logs.items()}
    if "kl" in logs:
        logs |= level_logs(out.latents)
    if out.scored is not None:
        worse = (out.log_px.detach() - out.scored).mean()
        logs |= {name: logs[name] + sign * worse for name, sign in (("recon", 1), ("elbo", -1)) if name in logs}
        if recon_weight is not None:
            logs["loss"] = loss.detach() + recon_weight * worse
    for name, values in out.latents.aux.items():
        extra = values.mean()
        loss, logs[name] = loss + extra, extra.detach()
        if "loss" in logs:
            logs["loss"] = logs["loss"] + extra.detach()
    return LossTerms(loss, logs)
