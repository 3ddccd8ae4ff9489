"""The VQ-VAE's quantizer with code vectors that are running means (arXiv 1711.00937, appendix A.1; arXiv 1906.00446).

e_k = m_k / N_k with the running number N_k and sum m_k of the vectors that chose code k
(:mod:`vae_lab.quantizers.running_book`). The loss is the commitment β ‖h − sg(e_k)‖² alone. A batch is quantised with
the vectors as they were before its update.
"""

from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from vae_lab.quantizers.book import (
    NumberOfCodes,
    embedded,
    initial_book,
    nearest,
    placed,
    rows_of,
    squared_error,
    straight_through,
)
from vae_lab.quantizers.running_book import VANISHED, RunningBook, Share
from vae_lab.types import Quantized


class EMA(RunningBook):
    """K code vectors of D numbers, which are running means of the vectors that choose them.

    Args:
        codes: K, at least 2.
        dims: D.
        commitment: β.
        decay: γ.
        restart_below: codes with less than this share of the mean usage are restarted; 0 switches it off.
    """

    def __init__(
        self,
        codes: NumberOfCodes = 128,
        dims: PositiveInt = 8,
        commitment: NonNegativeFloat = 0.25,
        decay: Share = 0.99,
        restart_below: Share = 0.03,
    ) -> None:
        super().__init__(initial_book(codes, dims), commitment, decay, restart_below)

    def quantize(self, h: Tensor) -> Quantized:
        """The nearest code vectors of vectors [N, D, ...]."""
        codes = placed(nearest(rows_of(h.detach()), self.book), h)
        found = embedded(codes, self.book)
        losses = {"commitment": self.commitment * squared_error(h, found)}
        return Quantized(straight_through(h, found), codes, losses)

    def averaged(self, h: Tensor) -> Tensor:
        """The vectors [N, D, ...] themselves: [M, D]."""
        return rows_of(h)

    def centres(self, usage: Tensor, sums: Tensor) -> Tensor:
        """m_k / N_k: [K, D]."""
        return sums / usage.clamp(min=VANISHED).unsqueeze(1)
