"""Residual blocks that halve the image, as in the MNIST network of Kingma et al. (arXiv 1606.04934, appendix B)."""

from itertools import pairwise

from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from vae_lab.nets.resizing import Size, down, halvings, up
from vae_lab.nets.strided import refuse_small
from vae_lab.types import Shape


class Block(nn.Module):
    """A residual block elu(body(x) + skip(x)).

    The body has two 3×3 convolutions. If the block changes the shape, its skip connection is a strided convolution.
    """

    def __init__(self, first: list[nn.Module], b: int, skip: list[nn.Module], normed: bool) -> None:
        super().__init__()
        layers = [*_normed(first, normed), nn.ELU(), *_normed([nn.Conv2d(b, b, 3, padding=1)], normed)]
        self.body = nn.Sequential(*layers)
        self.skip = nn.Sequential(*_normed(skip, normed))

    def forward(self, x: Tensor) -> Tensor:
        """[N, A, H, W] -> [N, B, H', W']."""
        return F.elu(self.body(x) + self.skip(x))


class ResNetEncoder(nn.Module):
    """Blocks that halve the image, with a block that keeps the size between every two of them, and a hidden layer."""

    def __init__(self, x_shape: Shape, channels: list[int], hidden: int, normed: bool) -> None:
        super().__init__()
        sizes = halvings((x_shape[1], x_shape[2]), len(channels))
        blocks: list[nn.Module] = []
        for a, b, size in zip([x_shape[0], *channels], channels, sizes):
            if blocks:
                blocks.append(_same(a, normed))
            blocks.append(Block(down(a, b, 3, size), b, down(a, b, 3, size), normed))
        flat = channels[-1] * sizes[-1][0] * sizes[-1][1]
        self.layers = nn.Sequential(*blocks, nn.Flatten(), *_normed([nn.Linear(flat, hidden)], normed), nn.ELU())
        self.out_features = hidden

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, hidden]."""
        return self.layers(x)


class ResNetDecoder(nn.Module):
    """The encoder in reverse, with a final convolution to the likelihood's parameters of the pixels."""

    def __init__(self, latent_dim: int, out_shape: Shape, channels: list[int], hidden: int, normed: bool) -> None:
        super().__init__()
        sizes: list[Size] = halvings((out_shape[1], out_shape[2]), len(channels))
        first = (channels[-1], *sizes[-1])
        blocks: list[nn.Module] = []
        for (a, b), size in zip(pairwise([*channels[::-1], channels[0]]), sizes[-2::-1]):
            if blocks:
                blocks.append(_same(a, normed))
            blocks.append(Block(up(a, b, 3, size), b, up(a, b, 3, size), normed))
        self.layers = nn.Sequential(
            *_normed([nn.Linear(latent_dim, hidden)], normed),
            nn.ELU(),
            *_normed([nn.Linear(hidden, first[0] * first[1] * first[2])], normed),
            nn.ELU(),
            nn.Unflatten(1, first),
            *blocks,
            *_normed([nn.Conv2d(channels[0], out_shape[0], 3, padding=1)], normed),
        )

    def forward(self, z: Tensor) -> Tensor:
        """[N, latent_dim] -> [N, *out_shape]."""
        return self.layers(z)


class ResNet:
    """Residual networks with ELU activations.

    The paper initialises the weights from data; here they have torch's default initialisation.

    Args:
        channels: channels of each block that halves the image, first to last.
        hidden: units of the hidden layer between the blocks and the code.
        weight_norm: whether weights are parametrised by direction and length (arXiv 1602.07868).
    """

    takes = ("images",)

    def __init__(self, channels: list[PositiveInt], hidden: PositiveInt, weight_norm: bool = True) -> None:
        self.channels, self.hidden, self.normed = list(channels), hidden, weight_norm

    def encoder(self, x_shape: Shape) -> nn.Module:
        """The network [B, C, H, W] -> [B, hidden].

        Raises:
            UserError: the image is too small to be halved once per entry of ``channels``.
        """
        refuse_small("channels", x_shape, len(self.channels))
        return ResNetEncoder(x_shape, self.channels, self.hidden, self.normed)

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """The network [N, latent_dim] -> [N, *out_shape]."""
        return ResNetDecoder(latent_dim, out_shape, self.channels, self.hidden, self.normed)


def _same(channels: int, normed: bool) -> Block:
    """Return a block that keeps the shape."""
    return Block([nn.Conv2d(channels, channels, 3, padding=1)], channels, [], normed)


def _normed(layers: list[nn.Module], normed: bool) -> list[nn.Module]:
    """Return the layers, with weight normalisation per output if ``normed``."""
    return [_weight_normed(layer) for layer in layers] if normed else layers


def _weight_normed(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.ConvTranspose2d):
        return weight_norm(layer, dim=1)  # the second axis of its weights is that of the outputs
    return weight_norm(layer, dim=0) if isinstance(layer, nn.Linear | nn.Conv2d) else layer
