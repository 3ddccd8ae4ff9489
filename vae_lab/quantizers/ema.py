"""The VQ-VAE's quantizer with code vectors that are running means (arXiv 1711.00937, appendix A.1; arXiv 1906.00446).

With n_k the number of vectors that chose code k in a batch and Σ_k their sum,

    N_k ← γ N_k + (1 − γ) n_k,   m_k ← γ m_k + (1 − γ) Σ_k,   e_k = m_k / N_k.

The loss is the commitment β ‖h − sg(e_k)‖² alone. A batch is quantised with the vectors as they were before its update.
N starts at 1 and m at e, so that codes that are not used keep their vector.

A code that is chosen far less than the mean code is dead. It is restarted at a random vector of the batch, with the
usage of the mean code times ``restart_usage``.
"""

from typing import Annotated

import torch
from annotated_types import Ge, Lt
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.quantizers.book import embedded, initial_book, nearest, placed, rows_of, squared_error, straight_through
from vae_lab.types import Noise, Quantized

RESTARTED = 0.3  # N_k of a restarted code, as a share of the mean usage
Share = Annotated[float, Ge(0), Lt(1)]


class EMA(nn.Module):
    """K code vectors of D numbers, which are running means of the vectors that choose them.

    Args:
        codes: K.
        dims: D.
        commitment: β.
        decay: γ.
        restart_below: codes with less than this share of the mean usage are restarted; 0 switches it off.
    """

    book: Tensor
    usage: Tensor
    sums: Tensor

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
        self.register_buffer("book", initial_book(codes, dims))
        self.register_buffer("usage", torch.ones(codes))  # N
        self.register_buffer("sums", self.book.clone())  # m

    def quantize(self, h: Tensor) -> Quantized:
        """The nearest code vectors of vectors [N, D, ...]."""
        codes = placed(nearest(rows_of(h.detach()), self.book), h)
        found = embedded(codes, self.book)
        losses = {"commitment": self.commitment * squared_error(h, found)}
        return Quantized(straight_through(h, found), codes, losses)

    def embed(self, codes: Tensor) -> Tensor:
        """The vectors of codes: long [N, ...] to [N, D, ...]."""
        return embedded(codes, self.book)

    def learn(self, h: Tensor, codes: Tensor, noise: Noise) -> None:
        """Update the code vectors by the vectors [N, D, ...] of a batch, which have chosen these codes [N, ...]."""
        rows = rows_of(h.detach())
        one_hot = nn.functional.one_hot(codes.flatten(), self.codes).to(rows.dtype)
        usage = torch.lerp(one_hot.sum(0), self.usage, self.decay)
        sums = torch.lerp(one_hot.T @ rows, self.sums, self.decay)
        # Candidates are drawn in every step, so that the draws of a step do not depend on its values.
        candidates = rows[(noise.uniform(self.codes) * len(rows)).long()]
        mean = len(rows) / self.codes
        dead = (usage < self.restart_below * mean).unsqueeze(1)
        usage = torch.where(dead.squeeze(1), torch.full_like(usage, RESTARTED * mean), usage)
        self.sums = torch.where(dead, candidates * (RESTARTED * mean), sums)
        self.usage = usage
        self.book = self.sums / usage.clamp(min=1e-5).unsqueeze(1)
