"""The quantizer of the VQ-VAE, whose code vectors are trained by a loss (van den Oord et al. 2017, arXiv 1711.00937).

k = argmin_k ‖h − e_k‖², and the loss is ‖sg(h) − e_k‖² + β ‖h − sg(e_k)‖² (equation 3). The first term moves the code
vector towards the encoder's output, the second, the commitment, moves the output towards the vector.
"""

from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

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
from vae_lab.types import Noise, Quantized


class Codebook(nn.Module):
    """K code vectors of D numbers, which are parameters.

    Args:
        codes: K, at least 2.
        dims: D.
        commitment: β.
    """

    def __init__(self, codes: NumberOfCodes = 128, dims: PositiveInt = 8, commitment: NonNegativeFloat = 0.25) -> None:
        super().__init__()
        self.codes, self.dims, self.commitment = codes, dims, commitment
        self.depth = 1
        self.book = nn.Parameter(initial_book(codes, dims))

    def quantize(self, h: Tensor) -> Quantized:
        """Quantise vectors [N, D, ...]."""
        codes = placed(nearest(rows_of(h), self.book.detach()), h)
        found = embedded(codes, self.book)
        losses = {
            "commitment": self.commitment * squared_error(h, found.detach()),
            "codebook": squared_error(h.detach(), found),
        }
        return Quantized(straight_through(h, found), codes, losses)

    def learn(self, h: Tensor, codes: Tensor, noise: Noise) -> None:
        """Nothing: there is no running state."""

    def embed(self, codes: Tensor) -> Tensor:
        """The vectors of codes: long [N, ...] to [N, D, ...]."""
        return embedded(codes, self.book)
