"""A block on the way down of a very deep VAE: the prior of one level and what the level adds to the features.

Source: Child 2020, arXiv 2011.10650, figure 3 (right).
"""

import math

import torch
from torch import Tensor, nn

from vae_lab.nets.bottleneck import Bottlenecks
from vae_lab.nets.resizing import Size
from vae_lab.types import Normal

LARGEST = 5.0  # the bound of |log σ|: the densities of larger values overflow early in training


class TopDownBlock(nn.Module):
    """p(z|h) and the change of the features h by z: h ← r(h + b(h) + P z), where b comes from the network of the prior.

    At the start p(z|h) is N(0, I) and b is 0, since the last convolution of the prior is 0. The last convolution of the
    residual block r and the projection P begin with weights that are multiplied by 1/√blocks.

    Args:
        nets: makes the networks.
        size: height and width of the grid.
        dim: channels of z.
        blocks: number of blocks of the model.
    """

    def __init__(self, nets: Bottlenecks, size: Size, dim: int, blocks: int) -> None:
        super().__init__()
        self.dim, self.scale = dim, 1 / math.sqrt(blocks)
        self.prior = nets.block(nets.width, 2 * dim + nets.width, size)
        self.project = nn.Conv2d(dim, nets.width, 1)
        self.residual = nets.residual(size, blocks)
        self.after_initialisation()

    def after_initialisation(self) -> None:
        """Set the last convolution of the prior to 0, and scale the initial weights of the projection."""
        with torch.no_grad():
            self.prior.last.weight.zero_()
            if self.prior.last.bias is not None:
                self.prior.last.bias.zero_()
            self.project.weight.mul_(self.scale)

    def forward(self, h: Tensor) -> tuple[Normal, Tensor]:
        """p(z|h) and b(h): features [N, C, H, W] to moments [N, dim, H, W] and [N, C, H, W]."""
        out = self.prior(h)
        return bounded_normal(out[:, : 2 * self.dim]), out[:, 2 * self.dim :]


def bounded_normal(moments: Tensor) -> Normal:
    """Means, then log σ before its bound log σ = 5 tanh(s/5), [N, 2 D, H, W]; float32 also in mixed precision."""
    mu, s = moments.float().chunk(2, 1)
    return Normal(mu, 2 * LARGEST * torch.tanh(s / LARGEST))
