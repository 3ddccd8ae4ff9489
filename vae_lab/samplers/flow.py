"""A masked autoregressive flow (Papamakarios et al. 2017, arXiv 1705.07057) on the standardised codes.

A block maps x to u_j = (x_j − μ_j) exp(−α_j) with μ, α = MADE(x), functions of the dimensions before j (equations 3
to 5); after all blocks log p(x) = log p_base(u) − Σ α. The order of the dimensions is reversed from block to block.
Computing a density takes one pass through each block, drawing a sample takes D passes.

Codes form clusters, and a flow of a single Gaussian leaves bridges of density between them. The base distribution is
therefore a mixture, as in the paper's MAF MoG. Here it is a mixture of Gaussians that is fitted first, to all codes;
then the blocks, which start as the identity, are trained on all but the held-out codes. Instead of batch normalisation
between the blocks, the codes are standardised and α is bounded.
"""

from itertools import cycle
from typing import cast

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.nets.made import MADE
from vae_lab.samplers.fitted import Standardised
from vae_lab.samplers.gmm import GMM
from vae_lab.samplers.training import CodeTraining, HeldOut, build_seeded
from vae_lab.types import Noise, Progress

BOUND = 5.0  # upper bound of |α|


class AutoregressiveBlock(nn.Module):
    """An invertible map between x and u, which is the identity before training.

    Args:
        order: position of each dimension, a permutation of 0…D−1.
        width, depth: hidden units per layer and number of hidden layers of the MADE.
    """

    def __init__(self, order: list[int], width: int, depth: int) -> None:
        super().__init__()
        self.order = order
        self.made = MADE(len(order), width, depth, order=order, act="silu")
        nn.init.zeros_(self.made.last.weight)
        nn.init.zeros_(self.made.last.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x [B, D] to u [B, D] and log |det ∂u/∂x| = −Σ α, [B]."""
        mu, alpha = self._affine(x)
        return (x - mu) * torch.exp(-alpha), -alpha.sum(-1)

    def inverse(self, u: Tensor) -> Tensor:
        """Map u [B, D] to x [B, D], one dimension after the other."""
        x = torch.zeros_like(u)
        for j in sorted(range(len(self.order)), key=self.order.__getitem__):
            mu, alpha = self._affine(x)
            x[:, j] = u[:, j] * alpha[:, j].exp() + mu[:, j]
        return x

    def _affine(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, alpha = self.made(x).unbind(-2)
        return mu, BOUND * torch.tanh(alpha / BOUND)


class Flow(Standardised):
    """A masked autoregressive flow whose base distribution is a mixture of Gaussians.

    Args:
        blocks: number of autoregressive blocks.
        width, depth: hidden units per layer and number of hidden layers of each block's MADE.
        components: number of Gaussians in the mixture; fewer are used if they would have more free parameters than
            there are codes. 1: a single Gaussian with the covariance of the codes.
        epochs, batch_size, lr, held_out, patience: see :class:`~vae_lab.samplers.training.CodeTraining`.
    """

    def __init__(
        self,
        blocks: PositiveInt = 3,
        width: PositiveInt = 128,
        depth: PositiveInt = 2,
        components: PositiveInt = 50,
        epochs: PositiveInt = 10,
        batch_size: PositiveInt = 1000,
        lr: PositiveFloat = 3e-3,
        held_out: HeldOut = 0.1,
        patience: PositiveInt = 3,
    ) -> None:
        super().__init__()
        self.count, self.width, self.depth = blocks, width, depth
        self.components = components
        self.base, self.blocks = GMM(components), nn.ModuleList()
        self.training_loop = CodeTraining(epochs, batch_size, lr, held_out, patience)

    @property
    def label(self) -> str:
        """A description such as ``an autoregressive flow on a mixture of 50 Gaussians``."""
        return f"an autoregressive flow on {self.base.label}"

    def build(self, *sizes: int) -> None:
        """Create blocks and mixture; ``sizes`` are D and the number of Gaussians."""
        super().build(*sizes)
        self.base.build(*sizes)
        orders = cycle([list(range(sizes[0])), list(range(sizes[0]))[::-1]])
        self.blocks = nn.ModuleList(
            AutoregressiveBlock(order, self.width, self.depth) for _, order in zip(range(self.count), orders)
        )

    def fit(self, codes: Tensor, noise: Noise, progress: Progress) -> None:
        """Fit the mixture to codes [N, D], then train the blocks."""
        n, d = codes.shape
        self.base.components = [max(1, min(self.components, 2 * n // ((d + 1) * (d + 2))))]
        build_seeded(lambda: self.build(d, 1), noise)
        x = self.standardise(codes)
        self.base.fit(x, noise, progress)
        self.sizes = self.base.sizes
        base = self.base.density()

        def loss(x: Tensor, noise: Noise) -> Tensor:
            u, log_det = self.flow(x)
            return -(base(u) + log_det).mean()

        training = self.training_loop(self.blocks, loss, x.float(), noise, progress, "training a flow on")
        self.about = {"mixture": self.base.about, **training}

    def flow(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map standardised codes [B, D] to u [B, D] and log |det ∂u/∂x| [B]."""
        log_det = x.new_zeros(len(x))
        for block in self.blocks:
            x, change = block(x)
            log_det = log_det + change
        return x, log_det

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) of codes [B, D] in nats: [B]."""
        u, log_det = self.flow(((z - self.shift) / self.scale).float())
        return self.base.density()(u) + log_det - self.scale.log().sum().float()

    def sample(self, n: int, noise: Noise) -> Tensor:
        """Return n draws: [n, D]."""
        x = self.base.sample(n, noise)
        for block in reversed([*self.blocks]):
            x = cast(AutoregressiveBlock, block).inverse(x)
        return self.restore(x)
