"""How a conditional model is told y: as one more channel of the encoder's image, and beside the decoder's code.

The channel is a learnt linear map of y to one picture: it fits every encoder of images, reaches its first layer (what
is concatenated before the posterior's heads can only shift them), and costs y_size · H · W weights beside what the
encoder pays for a channel: little in a convolution, in a dense network as much again as a grey image.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.errors import UserError
from vae_lab.types import Shape


class Condition(nn.Module):
    """y: class labels, long [B], or attributes, float [B, A].

    Args:
        x_shape: C, H, W of the images.
        y_size: classes or attributes.

    Raises:
        UserError: the dataset has neither.
    """

    def __init__(self, x_shape: Shape, y_size: int) -> None:
        super().__init__()
        if len(x_shape) != 3:
            raise UserError("conditional=true adds a channel to images, and this dataset has none; leave it out")
        if y_size == 0:
            raise UserError(
                "conditional=true: this dataset has no labels; leave it out, or type dataset=mnist "
                "(a dataset=image_folder has them in one folder per class, or in attributes.csv)"
            )
        self.y_size, self.place = y_size, x_shape[1:]
        self.seen_shape = (x_shape[0] + 1, *x_shape[1:])
        self.picture = nn.Linear(y_size, math.prod(self.place))

    def encoded(self, y: Tensor | None) -> Tensor:
        """Labels one-hot, attributes as they are: float [B, y_size].

        Raises:
            TypeError: there is no y.
            ValueError: attributes of another number.
        """
        if y is None:
            raise TypeError("a conditional model needs y: long [B] labels or float [B, A] attributes")
        if y.ndim == 1:
            return F.one_hot(y.long(), self.y_size).to(self.picture.weight.dtype)
        if y.shape[1:] != (self.y_size,):
            raise ValueError(f"y has shape {list(y.shape)}; this model takes {self.y_size} attributes per image")
        return y.to(self.picture.weight.dtype)

    def beside_image(self, x: Tensor, y: Tensor | None) -> Tensor:
        """[B, C, H, W] to [B, C + 1, H, W]."""
        return torch.cat([x, self.picture(self.encoded(y)).unflatten(1, (1, *self.place))], 1)

    def beside_code(self, z: Tensor, y: Tensor | None) -> Tensor:
        """[K, B, D] to [K, B, D + y_size]; a y of one image holds for all."""
        told = self.encoded(y)
        return torch.cat([z, told.expand(*z.shape[:2], -1)], 2)
