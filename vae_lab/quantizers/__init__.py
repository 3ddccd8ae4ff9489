"""Quantizers: maps of a continuous code to one of K discrete codes, with a gradient through the choice.

A quantizer is an ``nn.Module`` that implements :class:`vae_lab.types.Quantizer`. Its gradient is that of the identity
(straight through, arXiv 1308.3432): z = h + sg(e − h), where sg stops the gradient. Losses are summed over positions
and dimensions, so that they have the scale of the reconstruction term, which is summed over pixels: means would let
them vanish beside it.
"""

from vae_lab.quantizers.codebook import Codebook
from vae_lab.quantizers.cosine import Cosine
from vae_lab.quantizers.ema import EMA
from vae_lab.quantizers.fsq import FSQ
from vae_lab.quantizers.lfq import LFQ
from vae_lab.quantizers.residual import Residual

__all__ = ["EMA", "FSQ", "LFQ", "Codebook", "Cosine", "Residual"]
