"""Images to codes and codes to images, for one level of any model, as matrices [N, D].

Codes of a level are flattened: a grid [D', H, W] of a convolutional hierarchy is a vector of D = D'·H·W numbers. The
codes of a discrete model are the vectors of its codes; between them, :func:`decode` shows what the decoder makes of
vectors that no code has.

>>> import torch
>>> from functools import partial
>>> from vae_lab.likelihoods import Bernoulli
>>> from vae_lab.models.single_level import SingleLevel
>>> from vae_lab.nets.dense import Dense
>>> from vae_lab.noise import SeededNoise
>>> from vae_lab.posteriors.diagonal import DiagonalNormal
>>> model = SingleLevel(Dense(width=64, depth=2), DiagonalNormal, Bernoulli(), x_shape=(1, 28, 28), latent_dim=2)
>>> noise = partial(SeededNoise, "cpu", 0)
>>> codes = encode(model, torch.rand(5, 1, 28, 28), None, noise)
>>> codes.mean.shape, codes.kl.shape, decode(model, codes.mean, None, noise).shape
(torch.Size([5, 2]), torch.Size([5, 2]), torch.Size([5, 1, 28, 28]))
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.inference import code_sizes, posterior_moments
from vae_lab.noise import NoNoise
from vae_lab.types import Model, Noise, Shape

AT_ONCE = 500  # examples in a batch


@dataclass
class Codes:
    """The posteriors of N examples at one level, flattened, on the CPU."""

    mean: Tensor  # [N, D]
    variance: Tensor | None  # [N, D]; None: each code is a single point
    kl: Tensor | None  # nats: [N, D] where each dimension has its own, otherwise [N, 1]; None: single points


def encode(
    model: Model,
    x: Tensor,
    y: Tensor | None,
    noise: Callable[[str], Noise],
    level: int = 0,
    variational: bool = True,
    at_once: int = AT_ONCE,
) -> Codes:
    """The posterior q(z|x) of a level; the levels above it are at their means.

    The mean and the variance of a flow are those of :data:`vae_lab.inference.DRAWS` draws. The KL is in closed form
    where there is one, and otherwise that of one draw.

    Args:
        model: infers the codes, in evaluation mode.
        x: examples [N, *x_shape], on any device.
        y: their labels [N] or attributes [N, A], for a conditional model.
        noise: makes the noise of a purpose, on the model's device.
        level: counted from 0 at the top.
        variational: whether the objective gives the variance a meaning (``objective.variational``); false for an
            autoencoder, whose codes are the means alone.
        at_once: examples in a batch.
    """
    device, means, variances, kls = device_of(model), [], [], []
    with torch.inference_mode():
        for part in range(0, len(x), at_once):
            given = None if y is None else y[part : part + at_once].to(device)
            moments, latents = posterior_moments(model, x[part : part + at_once].to(device), given, noise)
            means.append(moments[level].mu.flatten(1).cpu())
            variances.append(moments[level].log_var.flatten(1).exp().cpu())
            kls.append(latents.kl[level].mean(0).flatten(1).cpu())
    if model.deterministic or not variational:
        return Codes(_joined(means), None, None)
    return Codes(_joined(means), _joined(variances), _joined(kls))


def decode(
    model: Model,
    z: Tensor,
    y: Tensor | None,
    noise: Callable[[str], Noise],
    level: int = 0,
    below: Sequence[Tensor] | None = None,
    above: Sequence[Tensor] | None = None,
    at_once: int = AT_ONCE,
) -> Tensor:
    """The likelihood's mean for codes of a level, [N, *x_shape] on the CPU; images are in [0, 1].

    Levels that are not given are at the means of their priors, given the levels above them.

    Args:
        model: decodes, in evaluation mode.
        z: codes of one level [N, D], on any device.
        y: labels [N] or attributes [N, A], for a conditional model.
        noise: makes the noise of a purpose, on the model's device; its draws are replaced by their mean.
        level: of z, counted from 0 at the top.
        below: codes of all levels below, [N, D] each.
        above: codes of all levels above, [N, D] each.
        at_once: codes in a batch.

    Raises:
        UserError: levels of discrete codes are missing, whose prior has no mean.
    """
    if code_sizes(model) and len(model.latent_shapes) > 1 + len(below or ()) + len(above or ()):
        raise UserError("levels of discrete codes have no mean, so that every level has to be given; type level=all")
    device, images = device_of(model), []
    with torch.inference_mode():
        for part in range(0, len(z), at_once):
            rows = slice(part, part + at_once)
            given = None if y is None else y[rows].to(device)
            n = len(z[rows])
            means = NoNoise(noise("levels at their means"))
            over = model.prior_sample(n, given, means)[:level] if above is None and level else ()
            typed = [codes[rows].to(device) for codes in chain(above or (), (z,), below or ())]
            shapes = [shape_of(model, i, given, means) for i in range(len(over), len(over) + len(typed))]
            known = (*over, *(codes.reshape(1, n, *shape) for codes, shape in zip(typed, shapes)))
            whole = known if len(known) == len(model.latent_shapes) else model.prior_sample(n, given, means, known)
            images.append(model.likelihood.mean(model.decode(whole, given))[0].cpu())
    return _joined(images)


def shape_of(model: Model, level: int, y: Tensor | None, noise: Noise) -> Shape:
    """The shape of one example's z at a level, which for discrete codes is that of their vectors."""
    if not code_sizes(model):
        return model.latent_shapes[level]
    return tuple(model.prior_sample(1, None if y is None else y[:1], noise)[level].shape[2:])


def device_of(model: Model) -> torch.device:
    """Where the model computes."""
    return next(iter(model.parameters())).device


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts).clone()  # a normal tensor, which autograd accepts
