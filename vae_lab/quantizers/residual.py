"""Residual quantisation: each further code quantises what the codes before it have left (arXiv 2203.01941).

r₀ = h, k_i = Q(r_{i−1}), r_i = r_{i−1} − e_{k_i}, z = Σ_i e_{k_i}. All depths share one codebook (section 3.1), so K
codes at depth d describe K^d vectors. A batch is quantised at all depths before the codebook is updated.
"""

from typing import Annotated, cast

import torch
from annotated_types import Ge
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.quantizers.book import straight_through
from vae_lab.quantizers.cosine import Cosine
from vae_lab.types import Noise, Quantized, Quantizer


class Residual(nn.Module):
    """Several codes per position, from one codebook.

    Args:
        of: the quantizer with the codebook.
        depth: number of codes per position, at least 2.

    Raises:
        UserError: the quantizer has no codebook, or one of unit vectors, for which no loss would tie ‖h‖ to
            the length of the sum.
    """

    def __init__(self, of: nn.Module, depth: Annotated[int, Ge(2)] = 4) -> None:
        super().__init__()
        if not hasattr(of, "book") or isinstance(of, Cosine):
            raise UserError(
                f"quantizer=residual needs a codebook of vectors of any length, and {type(of).__name__} has none; "
                "type quantizer.of._target_=vae_lab.quantizers.EMA"
            )
        inner = cast(Quantizer, of)
        self.of, self.depth = of, depth
        self.codes, self.dims = inner.codes, inner.dims

    def quantize(self, h: Tensor) -> Quantized:
        """The codes [N, ..., depth] of vectors [N, D, ...], the coarsest first."""
        inner, codes, losses = cast(Quantizer, self.of), list[Tensor](), dict[str, Tensor]()
        rest, total = h, torch.zeros_like(h)
        for _ in range(self.depth):
            part = inner.quantize(rest)
            found = part.z.detach()
            rest, total = rest - found, total + found
            codes.append(part.codes)
            for name, value in part.losses.items():
                losses[name] = losses[name] + value if name in losses else value
        return Quantized(straight_through(h, total), torch.stack(codes, -1), losses)

    def learn(self, h: Tensor, codes: Tensor, noise: Noise) -> None:
        """Update the codebook by the residuals of all depths, as one batch."""
        inner, rest, rests = cast(Quantizer, self.of), h.detach(), []
        for code in codes.unbind(-1):
            rests.append(rest)
            rest = rest - inner.embed(code).detach()
        inner.learn(torch.cat(rests), torch.cat(codes.unbind(-1)), noise)

    def embed(self, codes: Tensor) -> Tensor:
        """The sum of the vectors of codes: long [N, ..., depth] to [N, D, ...]."""
        inner = cast(Quantizer, self.of)
        return torch.stack([inner.embed(code) for code in codes.unbind(-1)]).sum(0)
