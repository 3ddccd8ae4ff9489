"""Convolutional encoder and decoder for images with any number of channels and of any size from 8×8."""

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.nets.activation import Activation, activation
from vae_lab.nets.functorch import is_stacked
from vae_lab.nets.resizing import image_size
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
        # This layout is 1.15 times as fast on a CPU, and more on tensor cores.
        self.layers.to(memory_format=torch.channels_last)
        self.out_features = hidden

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, hidden]."""
        # Under vmap, the layout of the underlying memory cannot be set.
        return self.layers(x if is_stacked(x) else x.contiguous(memory_format=torch.channels_last))


class CNNDecoder(nn.Module):
    """The encoder in reverse: each transposed convolution restores the size before the corresponding convolution."""

    def __init__(
        self, latent_dim: int, out_shape: Shape, channels: Sequence[int], hidden: int, act: Activation
    ) -> None:
        super().__init__()
        (height, width), first = _sizes(out_shape, len(channels))[-1], channels[-1]
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, hidden),
            activation(act),
            nn.Linear(hidden, first * height * width),
            activation(act),
            nn.Unflatten(1, (first, height, width)),
        ]
        layers += _upwards(out_shape, channels, act)
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        """[N, latent_dim] -> [N, *out_shape]."""
        return self.layers(z)


class GridEncoder(nn.Module):
    """The stride-2 convolutions without a hidden layer, which map an image to a grid of features.

    ``out_shape`` is F, H', W', where each layer halves H' and W' (rounded down).
    """

    def __init__(self, x_shape: Shape, channels: Sequence[int], act: Activation) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in zip([x_shape[0], *channels], channels):
            layers += [nn.Conv2d(a, b, kernel_size=4, stride=2, padding=1), activation(act)]
        self.layers = nn.Sequential(*layers)
        self.out_shape = (channels[-1], *_sizes(x_shape, len(channels))[-1])

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, F, H', W']."""
        return self.layers(x)


class GridDecoder(nn.Module):
    """A 3×3 convolution on the grid, then transposed convolutions that restore the sizes of the encoder's layers."""

    def __init__(self, inputs: int, out_shape: Shape, channels: Sequence[int], act: Activation) -> None:
        super().__init__()
        first = [nn.Conv2d(inputs, channels[-1], kernel_size=3, padding=1), activation(act)]
        self.layers = nn.Sequential(*first, *_upwards(out_shape, channels, act))

    def forward(self, z: Tensor) -> Tensor:
        """[N, inputs, H', W'] -> [N, *out_shape]."""
        return self.layers(z)


class CNN:
    """Convolutional networks with ``depth`` stride-2 layers and one hidden layer between them and the code.

    Args:
        width: channels of the first layer; each further layer has twice as many.
        depth: number of stride-2 layers.
        hidden: units of the hidden layer.
        activation: the activation function.
    """

    takes = ("images",)

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
        self._refuse_small(x_shape)
        return CNNEncoder(x_shape, self.channels, self.hidden, self.activation)

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """The network [N, latent_dim] -> [N, *out_shape]."""
        return CNNDecoder(latent_dim, out_shape, self.channels, self.hidden, self.activation)

    def grid_encoder(self, x_shape: Shape) -> nn.Module:
        """The network [B, C, H, W] -> [B, F, H', W'], without a hidden layer; it has the attribute ``out_shape``.

        Raises:
            UserError: the image is too small to be halved ``depth`` times.
        """
        self._refuse_small(x_shape)
        return GridEncoder(x_shape, self.channels, self.activation)

    def grid_decoder(self, channels: int, out_shape: Shape) -> nn.Module:
        """The network [N, channels, H', W'] -> [N, *out_shape]."""
        return GridDecoder(channels, out_shape, self.channels, self.activation)

    def _refuse_small(self, x_shape: Shape) -> None:
        smallest, depth = min(image_size(x_shape)), len(self.channels)
        if smallest < 8:
            raise UserError(
                f"this model's convolutions need at least 8×8 pixels, and the images have {x_shape[1]}×{x_shape[2]}; "
                "type model=dense"
            )
        if smallest >> depth == 0:
            raise UserError(
                f"model.net.depth={depth} halves {x_shape[1]}×{x_shape[2]} images to nothing; "
                f"type model.net.depth={smallest.bit_length() - 1} or less"
            )


def _upwards(out_shape: Shape, channels: Sequence[int], act: Activation) -> list[nn.Module]:
    """Return transposed convolutions from the smallest size to the image, without an activation after the last."""
    sizes, layers = _sizes(out_shape, len(channels)), []
    outs = [*channels[-2::-1], out_shape[0]]
    for a, b, (h, w) in zip(channels[::-1], outs, sizes[-2::-1]):
        odd = (h % 2, w % 2)  # the row and the column that were lost when the encoder rounded down
        layers += [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, output_padding=odd), activation(act)]
    return layers[:-1]


def _sizes(x_shape: Shape, depth: int) -> list[tuple[int, int]]:
    """Return (height, width) before the first layer and after each layer."""
    return [(x_shape[1] >> i, x_shape[2] >> i) for i in range(depth + 1)]
