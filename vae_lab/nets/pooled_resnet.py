"""Residual blocks between average pooling and nearest upsampling, as in IntroVAE and Soft-IntroVAE.

Sources: github.com/hhb072/IntroVAE (networks.py) and github.com/taldatech/soft-intro-vae-pytorch
(train_soft_intro_vae.py), of which the blocks are the latter's: the sum of a block is not normalised.
"""

from collections.abc import Sequence
from itertools import pairwise

from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.nets.norm import Norm, norm
from vae_lab.nets.resizing import halvings, image_size
from vae_lab.nets.strided import refuse_small
from vae_lab.types import Shape

_SLOPE = 0.2  # of the leaky ReLUs below 0


class Block(nn.Module):
    """leaky_relu(body(x) + skip(x)), whose body has two 3×3 convolutions; a 1×1 convolution changes the channels."""

    def __init__(self, a: int, b: int, how: Norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1, bias=how == "none"),
            *norm(how, (b,)),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(b, b, 3, padding=1, bias=how == "none"),
            *norm(how, (b,)),
        )
        self.skip = nn.Conv2d(a, b, 1, bias=False) if a != b else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, A, H, W] -> [N, B, H, W]."""
        return F.leaky_relu(self.body(x) + self.skip(x), _SLOPE)


class PooledEncoder(nn.Module):
    """A 5×5 convolution, then a block after each pooling; no hidden layer."""

    def __init__(self, x_shape: Shape, channels: Sequence[int], how: Norm) -> None:
        super().__init__()
        first = channels[0]
        layers: list[nn.Module] = [nn.Conv2d(x_shape[0], first, 5, padding=2, bias=how == "none"), *norm(how, (first,))]
        layers += [nn.LeakyReLU(_SLOPE), nn.AvgPool2d(2, ceil_mode=True)]
        for a, b in pairwise(channels):
            layers += [Block(a, b, how), nn.AvgPool2d(2, ceil_mode=True)]
        self.layers = nn.Sequential(*layers, Block(channels[-1], channels[-1], how), nn.Flatten())
        height, width = halvings(image_size(x_shape), len(channels))[-1]
        self.out_features = channels[-1] * height * width

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, out_features]."""
        return self.layers(x)


class PooledDecoder(nn.Module):
    """The encoder in reverse: a linear layer, a block before each upsampling, and a last 5×5 convolution."""

    def __init__(self, latent_dim: int, out_shape: Shape, channels: Sequence[int], how: Norm) -> None:
        super().__init__()
        sizes, last = halvings(image_size(out_shape), len(channels)), channels[-1]
        height, width = sizes[-1]
        layers: list[nn.Module] = [nn.Linear(latent_dim, last * height * width), nn.ReLU()]
        layers.append(nn.Unflatten(1, (last, height, width)))
        for a, b, size in zip([last, *channels[::-1]], channels[::-1], sizes[-2::-1]):
            layers += [Block(a, b, how), nn.Upsample(size, mode="nearest")]
        first = channels[0]
        self.layers = nn.Sequential(*layers, Block(first, first, how), nn.Conv2d(first, out_shape[0], 5, padding=2))

    def forward(self, z: Tensor) -> Tensor:
        """[N, latent_dim] -> [N, *out_shape]."""
        return self.layers(z)


class PooledResNet:
    """The residual networks of IntroVAE.

    Args:
        channels: channels after each halving of the image, first to last; sizes are rounded up.
        norm: layer | batch | none. With batch normalisation, the authors' networks draw far worse images in evaluation
            than in training (issue 14 of Soft-IntroVAE's code), since real and decoded images share the running means.
    """

    takes = ("images",)

    def __init__(self, channels: list[PositiveInt], norm: Norm = "layer") -> None:
        self.channels, self.norm = list(channels), norm

    def encoder(self, x_shape: Shape) -> nn.Module:
        """The network [B, C, H, W] -> [B, out_features].

        Raises:
            UserError: the image is too small to be halved once per entry of ``channels``.
        """
        refuse_small("channels", x_shape, len(self.channels))
        return PooledEncoder(x_shape, self.channels, self.norm)

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """The network [N, latent_dim] -> [N, *out_shape]."""
        return PooledDecoder(latent_dim, out_shape, self.channels, self.norm)
