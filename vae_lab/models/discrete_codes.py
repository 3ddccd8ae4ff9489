"""What models with discrete codes share: the step of quantisation, and the uniform prior of the codes.

The uniform prior stands in for the fitted one while a model is trained. q(c|x) is a single point, so that
KL[q ‖ p] = −log p(c) = log K for every code.
"""

import math

import torch
from torch import Tensor

from vae_lab.types import Noise, Quantized, Quantizer, Shape


def quantized(quantizer: Quantizer, h: Tensor, noise: Noise, training: bool) -> Quantized:
    """The codes of vectors h [N, D, ...]; in training, the quantizer's state is updated after they are chosen.

    Mixed precision ends here: in bfloat16, another vector than the nearest would be chosen, and the small steps of
    running means would be rounded away.
    """
    with torch.autocast(h.device.type, enabled=False):
        found = quantizer.quantize(h.float())
        if training:
            quantizer.learn(h.float(), found.codes, noise)
    return found


def uniform_kl(codes: Tensor, quantizer: Quantizer) -> Tensor:
    """log K nats for each of the codes [B, ...]: [1, B, ...]."""
    return torch.full((1, *codes.shape), math.log(quantizer.codes), device=codes.device)


def log_uniform(shape: Shape, quantizer: Quantizer) -> float:
    """log p(c) in nats of codes of this shape, −log K for each of them."""
    return -math.log(quantizer.codes) * math.prod(shape)


def vectors_of(given: Tensor | None, quantizer: Quantizer, shape: Shape, noise: Noise) -> Tensor:
    """The vectors [1, n, D, ...] of codes [1, n, ...]; vectors are returned as they are.

    Args:
        given: codes or vectors; None: codes are drawn uniformly.
        quantizer: knows the vectors of the codes.
        shape: of codes that are drawn, [1, n, ...].
        noise: draws them.
    """
    if given is not None and given.is_floating_point():
        return given
    codes = (noise.uniform(*shape) * quantizer.codes).long() if given is None else given
    return quantizer.embed(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
