"""Convolutional encoder and decoder for images of any channel count and any size from 8×8 up."""

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.nets.activation import Activation, activation
from vae_lab.types import Shape


class CNNEncoder(nn.Module):
    """Stride-2 convolutions, each halving height and width (rounded down), then one hidden layer."""

    def __init__(self, x_shape: Shape, channels: Sequence[int], hidden: int, act: Activation) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in zip([x_shape[0], *channels], channels):
            layers += [nn.Conv2d(a, b, kernel_size=4, stride=2, padding=1), activation(act)]
        (height, width) = _sizes(x_shape, len(channels))[-1]
        flat = channels[-1] * height * width
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, hidden), activation(act))
        self.layers.to(memory_format=torch.channels_last)  # 1.15 times as fast on a CPU, more on tensor cores
        self.out_features = hidden

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, hidden]."""
        stacked = torch._C._functorch.is_batchedtensor(x)  # under vmap a tensor has no such layout of its own
        return self.layers(x if stacked else x.contiguous(memory_format=torch.channels_last))


class CNNDecoder(nn.Module):
    """The encoder backwards: each transposed convolution restores the exact size of its mirror image."""

    def __init__(
        self, latent_dim: int, out_shape: Shape, channels: Sequence[int], hidden: int, act: Activation
    ) -> None:
        super().__init__()
        sizes = _sizes(out_shape, len(channels))
        (height, width), first = sizes[-1], channels[-1]
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, hidden),
            activation(act),
            nn.Linear(hidden, first * height * width),
            activation(act),
            nn.Unflatten(1, (first, height, width)),
        ]
        outs = [*channels[-2::-1], out_shape[0]]
        for a, b, (h, w) in zip(channels[::-1], outs, sizes[-2::-1]):
            odd = (h % 2, w % 2)  # rows and columns that halving rounded away
            layers += [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, output_padding=odd), activation(act)]
        self.layers = nn.Sequential(*layers[:-1]).to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        """[N, latent_dim] -> [N, *out_shape]."""
        return self.layers(z)


class CNN:
    """``depth`` stride-2 layers of ``width``, 2·width, 4·width … channels and a hidden layer at the narrow end."""

    def __init__(
        self,
        width: PositiveInt,
        depth: PositiveInt,
        hidden: PositiveInt,
        activation: Activation = "silu",
    ) -> None:
        self.channels = [width << i for i in range(depth)]
        self.hidden = hidden
        self.activation: Activation = activation

    def encoder(self, x_shape: Shape) -> nn.Module:
        """The network [B, C, H, W] -> [B, hidden].

        Raises:
            UserError: the image is too small to be halved ``depth`` times.
        """
        smallest, depth = min(x_shape[1:]), len(self.channels)
        if smallest < 8:
            raise UserError(f"model=cnn: images of {x_shape[1]}×{x_shape[2]} are below 8×8; type model=dense")
        if smallest >> depth == 0:
            raise UserError(
                f"model.net.depth={depth} halves {x_shape[1]}×{x_shape[2]} images to nothing; "
                f"type model.net.depth={smallest.bit_length() - 1} or less"
            )
        return CNNEncoder(x_shape, self.channels, self.hidden, self.activation)

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """The network [N, latent_dim] -> [N, *out_shape]."""
        return CNNDecoder(latent_dim, out_shape, self.channels, self.hidden, self.activation)


def _sizes(x_shape: Shape, depth: int) -> list[tuple[int, int]]:
    """(height, width) before the first layer and after each."""
    return [(x_shape[1] >> i, x_shape[2] >> i) for i in range(depth + 1)]
