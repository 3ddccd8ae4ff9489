"""The input of y in a conditional model: an additional channel of the encoder's input, and values after the code.

The channel is a learnt linear map of y to an image of one channel. It works with every encoder of images and enters its
first layer; y concatenated to the features before the posterior's linear heads could only shift their outputs. The map
costs y_size · H · W weights, in addition to the weights of the encoder for one more input channel: few in a
convolution, as many as for a grey image in a dense network.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.errors import UserError
from vae_lab.types import Shape


class Condition(nn.Module):
    """Adds y to the input of encoder and decoder: class labels, long [B], or attributes, float [B, A].

    Args:
        x_shape: C, H, W of the images.
        y_size: number of classes or attributes.

    Raises:
        UserError: the dataset has no images, or neither labels nor attributes.
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
        """Return labels as one-hot vectors, or attributes unchanged: float [B, y_size].

        Raises:
            TypeError: y is None.
            ValueError: the number of attributes is wrong.
        """
        if y is None:
            raise TypeError("a conditional model needs y: long [B] labels or float [B, A] attributes")
        if y.ndim == 1:
            return F.one_hot(y.long(), self.y_size).to(self.picture.weight.dtype)
        if y.shape[1:] != (self.y_size,):
            raise ValueError(f"y has shape {list(y.shape)}; this model takes {self.y_size} attributes per image")
        return y.to(self.picture.weight.dtype)

    def beside_image(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Append the channel of y to images: [B, C, H, W] -> [B, C + 1, H, W]."""
        return torch.cat([x, self.picture(self.encoded(y)).unflatten(1, (1, *self.place))], 1)

    def beside_code(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Append y to codes: [K, B, D, ...] -> [K, B, D + y_size, ...], at every place of a grid.

        If y has a single row, all codes get it.
        """
        y = self.encoded(y)
        return torch.cat([z, y.view(*y.shape, *[1] * (z.ndim - 3)).expand(*z.shape[:2], -1, *z.shape[3:])], 2)
