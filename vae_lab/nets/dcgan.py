"""The convolutional networks of the Wasserstein autoencoder and of regularised autoencoders, after DCGAN."""

from pydantic import PositiveInt
from torch import Tensor, nn

from vae_lab.nets.batch_norm import BatchNorm
from vae_lab.nets.resizing import down, halvings, up
from vae_lab.nets.strided import refuse_small
from vae_lab.types import Shape


class DCGANEncoder(nn.Module):
    """4×4 convolutions of stride 2 with width, 2·width, 4·width and 8·width channels; no hidden layer."""

    def __init__(self, x_shape: Shape, width: int, norm: bool, symmetric: bool) -> None:
        super().__init__()
        self.symmetric = symmetric
        channels = [width << i for i in range(4)]
        sizes = halvings((x_shape[1], x_shape[2]), 4)
        layers: list[nn.Module] = []
        for a, b, size in zip([x_shape[0], *channels], channels, sizes):
            layers += [*down(a, b, 4, size), *_then(b, norm)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.out_features = channels[-1] * sizes[-1][0] * sizes[-1][1]

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, out_features]."""
        return self.layers(2 * x - 1 if self.symmetric else x)


class DCGANDecoder(nn.Module):
    """A linear layer to 8·width channels at a quarter of the size, two that double the size, and one that keeps it."""

    def __init__(self, latent_dim: int, out_shape: Shape, width: int, norm: bool, dense_relu: bool) -> None:
        super().__init__()
        whole, half, quarter = halvings((out_shape[1], out_shape[2]), 2)
        first = (8 * width, *quarter)
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, first[0] * first[1] * first[2]),
            *([nn.ReLU()] if dense_relu else []),
            nn.Unflatten(1, first),
            *up(8 * width, 4 * width, 4, half),
            *_then(4 * width, norm),
            *up(4 * width, 2 * width, 4, whole),
            *_then(2 * width, norm),
            nn.ZeroPad2d((1, 2, 1, 2)),
            nn.Conv2d(2 * width, out_shape[0], 4),
        )

    def forward(self, z: Tensor) -> Tensor:
        """[N, latent_dim] -> [N, *out_shape]."""
        return self.layers(z)


class DCGAN:
    """The networks of the Wasserstein autoencoder's code for MNIST (github.com/tolstikhin/wae).

    There they are called ``dcgan`` and ``dcgan_mod``. The regularised autoencoders' code has the last two options
    reversed (github.com/ParthaEth/Regularized_autoencoders-RAE-, ``rae_mnist.py``).

    Args:
        width: channels of the encoder's first layer; the last has eight times as many.
        batch_norm: normalise all layers except the first and the last of the decoder; see ``BatchNorm``.
        symmetric: the encoder receives 2x − 1, which lies in [−1, 1], instead of x.
        dense_relu: a ReLU follows the decoder's linear layer.
    """

    takes = ("images",)

    def __init__(
        self, width: PositiveInt = 128, batch_norm: bool = True, symmetric: bool = False, dense_relu: bool = True
    ) -> None:
        self.width, self.norm, self.symmetric, self.dense_relu = width, batch_norm, symmetric, dense_relu

    def encoder(self, x_shape: Shape) -> nn.Module:
        """The network [B, C, H, W] -> [B, out_features].

        Raises:
            UserError: the image is too small to be halved four times.
        """
        refuse_small("four layers", x_shape, 4)
        return DCGANEncoder(x_shape, self.width, self.norm, self.symmetric)

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """The network [N, latent_dim] -> [N, *out_shape]."""
        return DCGANDecoder(latent_dim, out_shape, self.width, self.norm, self.dense_relu)


def _then(features: int, norm: bool) -> list[nn.Module]:
    """Return the layers after a convolution: an activation, with or without normalisation before it."""
    return [BatchNorm(features), nn.ReLU()] if norm else [nn.ReLU()]
