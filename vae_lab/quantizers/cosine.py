"""A quantizer by the angle between vectors, with code vectors that are running means (after arXiv 2110.04627).

Both the encoder's output and the code vectors have length 1, so the nearest vector is that of the largest cosine.
e_k = m_k / ‖m_k‖ with the running sum m_k of the unit vectors that chose code k
(:mod:`vae_lab.quantizers.running_book`). Since its length has no influence, the encoder's output needs a normalisation
before it, or it grows without bound.
"""

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from vae_lab.quantizers.book import NumberOfCodes, embedded, placed, rows_of, squared_error, straight_through
from vae_lab.quantizers.running_book import RunningBook, Share
from vae_lab.types import Quantized


class Cosine(RunningBook):
    """K code vectors of length 1 in D dimensions.

    Args:
        codes: K, at least 2.
        dims: D.
        commitment: β.
        decay: γ.
        restart_below: codes used less than this share of the mean are restarted; 0 switches it off.
    """

    def __init__(
        self,
        codes: NumberOfCodes = 128,
        dims: PositiveInt = 8,
        commitment: NonNegativeFloat = 0.25,
        decay: Share = 0.99,
        restart_below: Share = 0.03,
    ) -> None:
        super().__init__(F.normalize(torch.randn(codes, dims), dim=1), commitment, decay, restart_below)

    def quantize(self, h: Tensor) -> Quantized:
        """The code vectors nearest in direction to vectors [N, D, ...]."""
        unit = F.normalize(h, dim=1)
        codes = placed((rows_of(unit.detach()) @ self.book.T).argmax(1), h)
        found = embedded(codes, self.book)
        losses = {"commitment": self.commitment * squared_error(unit, found)}
        return Quantized(straight_through(unit, found), codes, losses)

    def averaged(self, h: Tensor) -> Tensor:
        """The directions of vectors [N, D, ...]: unit vectors [M, D]."""
        return F.normalize(rows_of(h), dim=1)

    def centres(self, usage: Tensor, sums: Tensor) -> Tensor:
        """m_k / ‖m_k‖: [K, D]."""
        return F.normalize(sums, dim=1)
