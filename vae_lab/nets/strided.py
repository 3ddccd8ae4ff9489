"""Stride-2 convolutions with given numbers of channels, as in the networks of several papers."""

from collections.abc import Sequence

from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.nets.activation import Activation, activation
from vae_lab.nets.batch_norm import BatchNorm
from vae_lab.nets.resizing import down, halvings, image_size, up
from vae_lab.types import Shape


class _Layers:
    """Makes the layers after a convolution or linear layer: an activation, with or without normalisation before it."""

    def __init__(self, act: Activation, slope: float, normed: bool) -> None:
        self.act, self.slope, self.normed = act, slope, normed

    def __call__(self, features: int, normed: bool = True) -> list[nn.Module]:
        act = nn.LeakyReLU(self.slope) if self.act == "leaky_relu" else activation(self.act)
        return [BatchNorm(features), act] if self.normed and normed else [act]


class StridedEncoder(nn.Module):
    """4×4 convolutions of stride 2, then one hidden layer. The first convolution is not normalised."""

    def __init__(self, x_shape: Shape, channels: Sequence[int], hidden: int, then: _Layers) -> None:
        super().__init__()
        sizes = halvings((x_shape[1], x_shape[2]), len(channels))
        layers: list[nn.Module] = []
        for i, (a, b, size) in enumerate(zip([x_shape[0], *channels], channels, sizes)):
            layers += [*down(a, b, 4, size), *then(b, normed=i > 0)]
        flat = channels[-1] * sizes[-1][0] * sizes[-1][1]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, hidden), *then(hidden))
        self.out_features = hidden

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, hidden]."""
        return self.layers(x)


class StridedDecoder(nn.Module):
    """The encoder in reverse: two linear layers, then transposed convolutions."""

    def __init__(self, latent_dim: int, out_shape: Shape, channels: Sequence[int], hidden: int, then: _Layers) -> None:
        super().__init__()
        sizes = halvings((out_shape[1], out_shape[2]), len(channels))
        first = (channels[-1], *sizes[-1])
        flat = first[0] * first[1] * first[2]
        layers: list[nn.Module] = [nn.Linear(latent_dim, hidden), *then(hidden), nn.Linear(hidden, flat), *then(flat)]
        layers.append(nn.Unflatten(1, first))
        for a, b, size in zip(channels[::-1], channels[-2::-1], sizes[-2:0:-1]):
            layers += [*up(a, b, 4, size), *then(b)]
        self.layers = nn.Sequential(*layers, *up(channels[0], out_shape[0], 4, sizes[0]))

    def forward(self, z: Tensor) -> Tensor:
        """[N, latent_dim] -> [N, *out_shape]."""
        return self.layers(z)


class Strided:
    """4×4 convolutions of stride 2 and a hidden layer, mirrored in the decoder.

    This is the network of FactorVAE and of Locatello et al. (arXiv 1802.05983, 1811.12359), and the one that InfoVAE
    and the two-stage VAE took from InfoGAN (arXiv 1606.03657).

    Args:
        channels: channels of each convolution, first to last.
        hidden: units of the hidden layer between the convolutions and the code.
        activation: the activation of the encoder.
        decoder_activation: the activation of the decoder.
        slope: the slope of leaky_relu below 0.
        batch_norm: normalise all layers except the first and the last; see ``BatchNorm``.
    """

    takes = ("images",)

    def __init__(
        self,
        channels: list[PositiveInt],
        hidden: PositiveInt,
        activation: Activation = "relu",
        decoder_activation: Activation = "relu",
        slope: NonNegativeFloat = 0.01,
        batch_norm: bool = False,
    ) -> None:
        self.channels, self.hidden = list(channels), hidden
        self.then = _Layers(activation, slope, batch_norm), _Layers(decoder_activation, slope, batch_norm)

    def encoder(self, x_shape: Shape) -> nn.Module:
        """The network [B, C, H, W] -> [B, hidden].

        Raises:
            UserError: the image is too small to be halved once per entry of ``channels``.
        """
        refuse_small("channels", x_shape, len(self.channels))
        return StridedEncoder(x_shape, self.channels, self.hidden, self.then[0])

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """The network [N, latent_dim] -> [N, *out_shape]."""
        return StridedDecoder(latent_dim, out_shape, self.channels, self.hidden, self.then[1])


def refuse_small(key: str, x_shape: Shape, halvings: int, instead: str = "model=cnn or model=dense") -> None:
    """Refuse images that are too small to be halved this many times.

    Args:
        key: the part of the network that determines ``halvings``, for the message.
        x_shape: the shape of the examples.
        halvings: how many times the network halves them.
        instead: what to type, for the message.

    Raises:
        UserError: height or width would be halved below one pixel, or the examples are not images.
    """
    smallest = min(image_size(x_shape))
    if smallest >> (halvings - 1) == 0:
        raise UserError(
            f"images of {x_shape[1]}×{x_shape[2]} cannot be halved {halvings} times as this network's {key} would; "
            f"type {instead}"
        )
