"""Finite scalar quantisation: each of a few numbers is rounded to one of L values (Mentzer et al. 2023, 2309.15505).

With half = (L − 1)(1 + ε)/2, offset o = ½ for even L and 0 otherwise, and shift s = atanh(o / half),

    b = half · tanh(h + s) − o,   z = round(b) / ⌊L/2⌋,

with the straight-through gradient of the rounding. This departs from the code of the paper (appendix A.1), which has
half = (L − 1)(1 − ε)/2 and s = tan(o / half): with the inverse of tanh, which vector-quantize-pytorch has too, h = 0
gives b = 0 for every L. Nothing is learnt, no code can die, and there are no losses. K = Π L. A number with L = 2 would
be shifted from its place by o; levels of 3 and more are used in the paper.
"""

import math

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.types import Noise, Quantized

EPS = 1e-3


class FSQ(nn.Module):
    """One digit per dimension, with L_d values.

    Args:
        levels: L_d of each dimension, at least 3. For 2⁸ codes the paper has [8, 6, 5], for 2¹⁰ [8, 5, 5, 5], for 2¹²
            [7, 5, 5, 5, 5].

    Raises:
        UserError: a dimension has fewer than 3 levels.
    """

    sizes: Tensor
    bases: Tensor

    def __init__(self, levels: list[PositiveInt]) -> None:
        super().__init__()
        if min(levels, default=0) < 3:
            typed = ",".join(map(str, levels))
            raise UserError(f"quantizer.levels=[{typed}]: every dimension needs 3 levels or more; type e.g. [5,5,5]")
        self.codes, self.dims, self.depth = math.prod(levels), len(levels), 1
        bases = [math.prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("sizes", torch.tensor(levels), persistent=False)
        self.register_buffer("bases", torch.tensor(bases), persistent=False)

    def quantize(self, h: Tensor) -> Quantized:
        """Round numbers [N, D, ...]; in float32 also in mixed precision, in which codes would be rounded."""
        last = h.movedim(1, -1).float()
        half = (self.sizes - 1) * (1 + EPS) / 2
        offset = (self.sizes % 2 == 0) / 2
        bounded = half * torch.tanh(last + torch.atanh(offset / half)) - offset
        rounded = bounded + (bounded.round() - bounded).detach()
        digits = bounded.round().long() + self.sizes // 2
        return Quantized((rounded / (self.sizes // 2)).movedim(-1, 1), (digits * self.bases).sum(-1), {})

    def learn(self, h: Tensor, codes: Tensor, noise: Noise) -> None:
        """Nothing: there is no running state."""

    def embed(self, codes: Tensor) -> Tensor:
        """The numbers of codes: long [N, ...] to [N, D, ...]."""
        digits = codes.unsqueeze(-1) // self.bases % self.sizes
        return ((digits - self.sizes // 2) / (self.sizes // 2)).movedim(-1, 1)
