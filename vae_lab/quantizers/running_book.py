"""A codebook of running means, with restarts of codes that are not used (arXiv 1711.00937, appendix A.1).

With n_k the number of vectors that chose code k in a batch and Σ_k their sum,

    N_k ← γ N_k + (1 − γ) n_k,   m_k ← γ m_k + (1 − γ) Σ_k,

and e_k follows from both. A code that has not been chosen for so long that N_k has almost vanished keeps its vector.

A code with N_k < ρ n̄ is dead, where n̄ = Σ_k n_k / K is the usage of the mean code and ρ is ``restart_below``. It is
restarted at a random vector of the batch, with N_k = ``RESTARTED`` · n̄.

Without restarts, N starts at 1 and m at e. With them, both start at 0: every code that fewer than ρ n̄ / (1 − γ) vectors
of the first batch have chosen is dead, so that the first vectors are vectors of the data. A start at 1 would keep
codes that are never chosen alive until γ^t < ρ n̄, which is more than 100 steps of a small run with n̄ = 10.
"""

from abc import ABC, abstractmethod
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.quantizers.book import embedded
from vae_lab.quantizers.processes import counted, of_the_first, summed
from vae_lab.types import Noise

RESTARTED = 0.3  # N_k of a restarted code, as a share of the mean usage
VANISHED = 1e-5  # N_k below which a vector is kept, since m_k / N_k would be a ratio of rounding errors
Share = Annotated[float, Ge(0), Lt(1)]


class RunningBook(nn.Module, ABC):
    """The state of such a codebook; a subclass says which vectors are averaged, and how e_k follows from their sums.

    Args:
        book: the initial code vectors, [K, D].
        commitment: β.
        decay: γ.
        restart_below: codes with less than this share of the mean usage are restarted; 0 switches it off.
    """

    book: Tensor
    usage: Tensor
    sums: Tensor

    def __init__(self, book: Tensor, commitment: NonNegativeFloat, decay: Share, restart_below: Share) -> None:
        super().__init__()
        self.codes, self.dims = book.shape
        self.commitment, self.decay, self.restart_below = commitment, decay, restart_below
        self.depth: PositiveInt = 1
        self.register_buffer("book", book)
        start = 0.0 if restart_below else 1.0
        self.register_buffer("usage", torch.full((self.codes,), start))  # N
        self.register_buffer("sums", start * book)  # m

    @abstractmethod
    def averaged(self, h: Tensor) -> Tensor:
        """The vectors that are averaged, one per row, from vectors [N, D, ...]: [M, D]."""

    @abstractmethod
    def centres(self, usage: Tensor, sums: Tensor) -> Tensor:
        """The code vectors [K, D] from N [K] and m [K, D]."""

    def embed(self, codes: Tensor) -> Tensor:
        """The vectors of codes: long [N, ...] to [N, D, ...]."""
        return embedded(codes, self.book)

    def learn(self, h: Tensor, codes: Tensor, noise: Noise) -> None:
        """Update the code vectors by the vectors [N, D, ...] of a batch, which have chosen these codes [N, ...].

        With several processes, the batch is that of all of them.
        """
        rows = self.averaged(h.detach())
        one_hot = nn.functional.one_hot(codes.flatten(), self.codes).to(rows.dtype)
        usage = torch.lerp(summed(one_hot.sum(0)), self.usage, self.decay)
        sums = torch.lerp(summed(one_hot.T @ rows), self.sums, self.decay)
        # Candidates are drawn in every step, so that the draws of a step do not depend on its values.
        candidates = of_the_first(rows[(noise.uniform(self.codes) * len(rows)).long()])
        mean = counted(len(rows), rows.device) / self.codes
        dead = usage < self.restart_below * mean
        self.usage = torch.where(dead, torch.full_like(usage, RESTARTED * mean), usage)
        self.sums = torch.where(dead.unsqueeze(1), candidates * (RESTARTED * mean), sums)
        kept = (self.usage < VANISHED).unsqueeze(1)
        self.book = torch.where(kept, self.book, self.centres(self.usage, self.sums))
