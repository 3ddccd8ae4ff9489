"""Convolutions that halve any image size, rounded up, and transposed convolutions that restore the exact size."""

from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.types import Shape

Size = tuple[int, int]


class Crop(nn.Module):
    """Crops an image to its upper left corner of a given size."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, *size]."""
        return x[..., : self.size[0], : self.size[1]]


def image_size(x_shape: Shape) -> Size:
    """Return height and width of images [C, H, W].

    Raises:
        UserError: the examples are not images.
    """
    if len(x_shape) != 3:
        shape = "×".join(map(str, x_shape))
        raise UserError(f"convolutions need images, and the examples of this dataset have the shape {shape}; "
                        "type model=dense")  # fmt: skip
    return x_shape[1], x_shape[2]


def halvings(size: Size, times: int) -> list[Size]:
    """Return (height, width) before the first halving and after each, rounded up: 7 becomes 4."""
    return [(-(-size[0] >> i), -(-size[1] >> i)) for i in range(times + 1)]


def down(a: int, b: int, kernel: int, size: Size) -> list[nn.Module]:
    """Return a convolution of stride 2 that halves images of ``size``, rounded up, with TensorFlow's 'same' padding."""
    odd = [n % 2 if kernel % 2 == 0 else 0 for n in size]
    pad = [nn.ZeroPad2d((0, odd[1], 0, odd[0]))] if any(odd) else []
    return [*pad, nn.Conv2d(a, b, kernel, stride=2, padding=(kernel - 1) // 2)]


def up(a: int, b: int, kernel: int, size: Size) -> list[nn.Module]:
    """Return a transposed convolution of stride 2 from half of ``size``, rounded up, to ``size``."""
    if kernel % 2:
        beyond = (1 - size[0] % 2, 1 - size[1] % 2)
        return [nn.ConvTranspose2d(a, b, kernel, stride=2, padding=kernel // 2, output_padding=beyond)]
    crop = [Crop(size)] if size[0] % 2 or size[1] % 2 else []
    return [nn.ConvTranspose2d(a, b, kernel, stride=2, padding=kernel // 2 - 1), *crop]
