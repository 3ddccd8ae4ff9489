"""Lookup-free quantisation: the signs of a few numbers (Yu et al. 2023, arXiv 2310.05737, section 3.1).

z = sign(h), so K = 2^D. The losses are the commitment β ‖h − sg(z)‖² and the entropy loss

    λ (E_h H[p(c|h)] − H[E_h p(c|h)]),   p(c|h) ∝ exp(−T ‖h − c‖²) over all K codes c,

which makes each choice certain and all choices together uniform (equation 5). H is in nats; the entropy of the mean is
over the positions of the whole batch, so the loss of an example depends on the others. All codes are enumerated.
"""

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.quantizers.book import placed, rows_of, squared_error, straight_through
from vae_lab.types import Noise, Quantized

MOST_BITS = 10  # 1,024 codes are enumerated


class LFQ(nn.Module):
    """D bits per position.

    Args:
        bits: D, at most 10.
        commitment: β.
        entropy: λ, in nats per position.
        sharpness: T.

    Raises:
        UserError: there are more than 10 bits.
    """

    bases: Tensor
    grid: Tensor

    def __init__(
        self,
        bits: PositiveInt = 7,
        commitment: NonNegativeFloat = 0.25,
        entropy: NonNegativeFloat = 0.1,
        sharpness: PositiveFloat = 1.0,
    ) -> None:
        super().__init__()
        if bits > MOST_BITS:
            raise UserError(f"quantizer.bits={bits}: all codes are enumerated; type quantizer.bits={MOST_BITS} or less")
        self.codes, self.dims, self.depth = 2**bits, bits, 1
        self.commitment, self.entropy, self.sharpness = commitment, entropy, sharpness
        self.register_buffer("bases", 2 ** torch.arange(bits), persistent=False)
        self.register_buffer("grid", self._vectors(torch.arange(self.codes)), persistent=False)  # [K, D]

    def quantize(self, h: Tensor) -> Quantized:
        """Take the signs of numbers [N, D, ...]."""
        rows = rows_of(h)
        positive = rows > 0
        found = placed(torch.where(positive, 1.0, -1.0), h)
        losses = {"commitment": self.commitment * squared_error(h, found)}
        if self.entropy > 0:
            losses["entropy"] = self._entropy_loss(rows).expand(len(h)) * (len(rows) / len(h))
        return Quantized(straight_through(h, found), placed((positive * self.bases).sum(1), h), losses)

    def learn(self, h: Tensor, codes: Tensor, noise: Noise) -> None:
        """Nothing: there is no running state."""

    def embed(self, codes: Tensor) -> Tensor:
        """The signs of codes: long [N, ...] to [N, D, ...]."""
        return self._vectors(codes).movedim(-1, 1)

    def _vectors(self, codes: Tensor) -> Tensor:
        return ((codes.unsqueeze(-1) // self.bases) % 2).float() * 2 - 1

    def _entropy_loss(self, rows: Tensor) -> Tensor:
        """λ (mean entropy − entropy of the mean) over the positions of the batch: [] nats per position."""
        # ‖h − c‖² = ‖h‖² + D − 2 h·c, of which only the last term depends on c.
        log_p = torch.log_softmax(2 * self.sharpness * rows @ self.grid.T, 1)
        p = log_p.exp()
        single = -(p * log_p).sum(1).mean()
        mean = p.mean(0)
        return self.entropy * (single + (mean * torch.log(mean.clamp(min=1e-12))).sum())
