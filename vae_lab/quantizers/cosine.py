"""A quantizer by the angle between vectors, with code vectors that are running means (after arXiv 2110.04627).

Both the encoder's output and the code vectors have length 1, so the nearest vector is that of the largest cosine. The
vectors are updated as e_k ← (γ e_k + (1 − γ) ē_k) / ‖…‖ with ē_k the normalised mean of the unit vectors that chose k
in the batch, and are left alone where none did. Since its length has no influence, the encoder's output needs a
normalisation before it, or it grows without bound.
"""

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.quantizers.book import embedded, placed, rows_of, squared_error, straight_through
from vae_lab.quantizers.ema import Share
from vae_lab.types import Noise, Quantized


class Cosine(nn.Module):
    """K code vectors of length 1 in D dimensions.

    Args:
        codes: K.
        dims: D.
        commitment: β.
        decay: γ.
        restart_below: codes with less than this share of the mean usage are restarted at a random vector of the batch;
            0 switches it off.
    """

    book: Tensor
    usage: Tensor

    def __init__(
        self,
        codes: PositiveInt = 128,
        dims: PositiveInt = 8,
        commitment: NonNegativeFloat = 0.25,
        decay: Share = 0.99,
        restart_below: Share = 0.03,
    ) -> None:
        super().__init__()
        self.codes, self.dims, self.commitment = codes, dims, commitment
        self.decay, self.restart_below = decay, restart_below
        self.depth = 1
        self.register_buffer("book", F.normalize(torch.randn(codes, dims), dim=1))
        self.register_buffer("usage", torch.ones(codes))

    def quantize(self, h: Tensor) -> Quantized:
        """The code vectors nearest in direction to vectors [N, D, ...]."""
        unit = F.normalize(h, dim=1)
        codes = placed((rows_of(unit.detach()) @ self.book.T).argmax(1), h)
        found = embedded(codes, self.book)
        losses = {"commitment": self.commitment * squared_error(unit, found)}
        return Quantized(straight_through(unit, found), codes, losses)

    def embed(self, codes: Tensor) -> Tensor:
        """The vectors of codes: long [N, ...] to [N, D, ...]."""
        return embedded(codes, self.book)

    def learn(self, h: Tensor, codes: Tensor, noise: Noise) -> None:
        """Update the code vectors by the vectors [N, D, ...] of a batch, which have chosen these codes [N, ...]."""
        rows = rows_of(F.normalize(h.detach(), dim=1))
        one_hot = F.one_hot(codes.flatten(), self.codes).to(rows.dtype)
        counts = one_hot.sum(0)
        means = F.normalize(one_hot.T @ rows, dim=1)
        moved = F.normalize(torch.lerp(means, self.book, self.decay), dim=1)
        book = torch.where((counts > 0).unsqueeze(1), moved, self.book)
        usage = torch.lerp(counts, self.usage, self.decay)
        candidates = rows[(noise.uniform(self.codes) * len(rows)).long()]  # drawn in every step, whatever its values
        mean = len(rows) / self.codes
        dead = usage < self.restart_below * mean
        self.book = torch.where(dead.unsqueeze(1), candidates, book)
        self.usage = torch.where(dead, torch.full_like(usage, 0.3 * mean), usage)
