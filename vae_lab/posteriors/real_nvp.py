"""Real NVP as a posterior flow (Dinh et al. 2017, arXiv 1605.08803, equations 4 to 6).

Each block leaves one half of z unchanged, z'_a = z_a, and maps the other to z'_b = z_b ⊙ exp(s(z_a, h)) + t(z_a, h).
Therefore log |det ∂z'/∂z| = Σ_j s_j. h are the encoder's features. The halves swap roles from block to block. s is a
tanh times a learned scale, as in section 4.1 of the paper.
"""

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import silu

from vae_lab.errors import UserError
from vae_lab.posteriors.flow import PosteriorFlow


class Coupling(nn.Module):
    """One coupling block. Its initial s = t = 0 make it the identity.

    Args:
        features: F, the size of the encoder's output.
        kept, moved: numbers of dimensions that are left unchanged and that are transformed.
        width: number of hidden units.
        first: whether the unchanged dimensions come first.
    """

    def __init__(self, features: int, kept: int, moved: int, width: PositiveInt, first: bool) -> None:
        super().__init__()
        self.sizes = [kept, moved] if first else [moved, kept]
        self.first = first
        self.z = nn.Linear(kept, width)
        self.h = nn.Linear(features, width, bias=False)
        self.out = nn.Linear(width, 2 * moved)
        self.scale = nn.Parameter(torch.ones(moved))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """z [K, B, D] and features h [B, F] to z' [K, B, D] and log |det ∂z'/∂z| [K, B]."""
        kept, moved = z.split(self.sizes, -1) if self.first else z.split(self.sizes, -1)[::-1]
        raw, shift = self.out(silu(self.z(kept) + self.h(h))).float().chunk(2, -1)
        log_scale = self.scale * torch.tanh(raw)
        moved = moved * torch.exp(log_scale) + shift
        return torch.cat([kept, moved] if self.first else [moved, kept], -1), log_scale.sum(-1)


class RealNVP(PosteriorFlow):
    """A diagonal Gaussian, followed by coupling blocks.

    Args:
        features: F, the size of the encoder's output.
        latent_dim: D, the size of z.
        blocks: number of coupling blocks.
        width: number of hidden units of each block.

    Raises:
        UserError: ``latent_dim`` is 1, which cannot be split into two halves.
    """

    def __init__(self, features: int, latent_dim: int, blocks: PositiveInt, width: PositiveInt) -> None:
        if latent_dim < 2:
            raise UserError("posterior=real_nvp couples two halves of the code; type latent_dim=2 or more, or "
                            "posterior=planar")  # fmt: skip
        low = latent_dim // 2
        parts = [(low, latent_dim - low, True), (latent_dim - low, low, False)]
        super().__init__(
            features,
            latent_dim,
            (Coupling(features, kept, moved, width, first)
             for kept, moved, first in (parts[i % 2] for i in range(blocks))),
        )  # fmt: skip
