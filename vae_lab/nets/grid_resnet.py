"""Convolutions and residual blocks from an image to a grid of features and back, as in the VQ-VAE (arXiv 1711.00937).

The paper's encoder has two 4×4 convolutions of stride 2 and two residual blocks of 256 channels (section 4.1); its
decoder mirrors them. Here the blocks are normalised (group norm, arXiv 1803.08494) before each activation.
"""

from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from vae_lab.nets.resizing import Size, down, halvings, image_size, up
from vae_lab.nets.strided import refuse_small
from vae_lab.types import Shape

GROUPS = 8  # largest number of groups of a group norm


class Block(nn.Module):
    """x + conv1×1(σ(conv3×3(σ(norm(x))))), which keeps the shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _norm(channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1), nn.SiLU(),
            nn.Conv2d(channels, channels, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        return x + self.layers(x)


class GridResNetEncoder(nn.Module):
    """Convolutions of stride 2 and residual blocks; ``out_shape`` is F, H', W'."""

    def __init__(self, x_shape: Shape, width: int, sizes: list[Size], blocks: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, size in enumerate(sizes[:-1]):
            layers += [*down(x_shape[0] if i == 0 else width, width, 4, size), nn.SiLU()]
        self.layers = nn.Sequential(*layers[:-1], *(Block(width) for _ in range(blocks)))
        self.out_shape = (width, *sizes[-1])

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, F, H', W']."""
        return self.layers(x)


class GridResNetDecoder(nn.Module):
    """A 3×3 convolution, residual blocks, and transposed convolutions that restore the sizes of the encoder."""

    def __init__(self, channels: int, out_shape: Shape, width: int, sizes: list[Size], blocks: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1)]
        layers += [*(Block(width) for _ in range(blocks)), nn.SiLU()]
        for i, size in reversed(list(enumerate(sizes[:-1]))):
            layers += [*up(width, out_shape[0] if i == 0 else width, 4, size), nn.SiLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, z: Tensor) -> Tensor:
        """[N, channels, H', W'] -> [N, *out_shape]."""
        return self.layers(z)


class GridResNet:
    """Networks between an image and a grid, ``depth`` times halved.

    Args:
        width: channels of all layers.
        depth: number of convolutions of stride 2.
        blocks: number of residual blocks of the encoder, and of the decoder.
    """

    takes = ("images",)

    def __init__(self, width: PositiveInt, depth: PositiveInt, blocks: NonNegativeInt) -> None:
        self.width, self.depth, self.blocks = width, depth, blocks

    def grid_encoder(self, x_shape: Shape) -> nn.Module:
        """The network [B, C, H, W] -> [B, F, H', W']; it has the attribute ``out_shape``.

        Raises:
            UserError: the image is too small to be halved ``depth`` times.
        """
        most = min(image_size(x_shape)).bit_length()
        refuse_small("depth", x_shape, self.depth, f"model.net.depth={most} or less")
        return GridResNetEncoder(x_shape, self.width, self._sizes(x_shape), self.blocks)

    def grid_decoder(self, channels: int, out_shape: Shape) -> nn.Module:
        """The network [N, channels, H', W'] -> [N, *out_shape]."""
        return GridResNetDecoder(channels, out_shape, self.width, self._sizes(out_shape), self.blocks)

    def _sizes(self, x_shape: Shape) -> list[Size]:
        return halvings(image_size(x_shape), self.depth)


def _norm(channels: int) -> nn.Module:
    groups = next(n for n in range(min(GROUPS, channels), 0, -1) if channels % n == 0)
    return nn.GroupNorm(groups, channels)
