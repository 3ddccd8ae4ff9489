"""The convolutional network of the σ-VAE's published code (github.com/orybkin/sigma-vae-pytorch, ``model.py``)."""

from pydantic import PositiveInt
from torch import Tensor, nn

from vae_lab.nets.resizing import down, halvings, image_size, up
from vae_lab.types import Shape


class SigmaEncoder(nn.Module):
    """Convolutions of 3×3, 4×4 and 5×5, the last two with stride 2, without a hidden layer."""

    def __init__(self, x_shape: Shape, width: int) -> None:
        super().__init__()
        whole, half, quarter = halvings((x_shape[1], x_shape[2]), 2)
        self.layers = nn.Sequential(
            nn.Conv2d(x_shape[0], width, 3, padding=1),
            nn.ReLU(),
            *down(width, 2 * width, 4, whole),
            nn.ReLU(),
            *down(2 * width, 4 * width, 5, half),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.out_features = 4 * width * quarter[0] * quarter[1]

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, out_features]."""
        return self.layers(x)


class SigmaDecoder(nn.Module):
    """A linear layer, two transposed convolutions of 6×6 that double the size, and one of 5×5 that keeps it."""

    def __init__(self, latent_dim: int, out_shape: Shape, width: int) -> None:
        super().__init__()
        whole, half, quarter = halvings((out_shape[1], out_shape[2]), 2)
        first = (4 * width, *quarter)
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, first[0] * first[1] * first[2]),
            nn.Unflatten(1, first),
            *up(4 * width, 2 * width, 6, half),
            nn.ReLU(),
            *up(2 * width, width, 6, whole),
            nn.ReLU(),
            nn.Conv2d(width, out_shape[0], 5, padding=2),
        )

    def forward(self, z: Tensor) -> Tensor:
        """[N, latent_dim] -> [N, *out_shape]."""
        return self.layers(z)


class SigmaCNN:
    """Networks with ``width``, 2·width and 4·width channels for images of any size."""

    takes = ("images",)

    def __init__(self, width: PositiveInt = 32) -> None:
        self.width = width

    def encoder(self, x_shape: Shape) -> nn.Module:
        """The network [B, C, H, W] -> [B, out_features].

        Raises:
            UserError: the examples are not images.
        """
        image_size(x_shape)
        return SigmaEncoder(x_shape, self.width)

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """The network [N, latent_dim] -> [N, *out_shape]."""
        return SigmaDecoder(latent_dim, out_shape, self.width)
