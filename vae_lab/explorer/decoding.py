"""The decoder of a run as a function of one code: what the page shows, and what its arithmetic is compared with."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from vae_lab.explorer.program import Program, Weights
from vae_lab.explorer.recording import CannotRun
from vae_lab.explorer.tracing import traced
from vae_lab.inference import code_sizes
from vae_lab.latents.codes import shape_of
from vae_lab.types import Model, Noise, Shape


class _AtTheMean:
    """Noise at its mean without a source, so that it is a constant of the program."""

    def normal(self, *shape: int) -> Tensor:
        """Zeros."""
        return torch.zeros(shape)

    def uniform(self, *shape: int) -> Tensor:
        """A tensor filled with ½."""
        return torch.full(shape, 0.5)


def decoder_program(
    model: Model, z: Tensor, y: Tensor | None, noise: Callable[[str], Noise], precision: Weights = "fp16"
) -> Program:
    """Return the program that decodes codes of the top level; the levels below are at their means.

    Args:
        model: on the CPU and in evaluation mode.
        z: codes [N, D] of the top level, of which the first serves as the example.
        y: attributes, or labels as one-hot vectors, [N, A], for a conditional model.
        noise: makes the noise of a purpose; it is needed for the shape of discrete codes.
        precision: how the page stores matrices and kernels.

    Raises:
        CannotRun: the page cannot carry out the decoder; the message says why.
    """
    given = None if y is None else y[:1]
    levels = len(model.latent_shapes)
    if code_sizes(model) and levels > 1:
        raise CannotRun("the levels of discrete codes below the first have no mean")
    shape = shape_of(model, 0, given, noise("shape of codes"))

    def decode(code: Tensor, y: Tensor | None) -> Tensor:
        return _image(model, code, y, shape, levels)

    return traced(cast(nn.Module, model), decode, z[:1], given, precision)


def _image(model: Model, code: Tensor, y: Tensor | None, shape: Shape, levels: int) -> Tensor:
    z: Any = (code.reshape(1, 1, *shape),)
    if levels > 1:
        z = model.prior_sample(1, y, _AtTheMean(), top=z)
    return model.likelihood.mean(model.decode(z, y))[0]
