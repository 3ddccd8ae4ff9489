"""Convolutions and residual blocks between grids of several sizes, as in the VQ-VAE-2 (arXiv 1906.00446, table 4)."""

from pydantic import NonNegativeInt, PositiveInt
from torch import nn

from vae_lab.nets.grid_resnet import GridResNet
from vae_lab.types import Shape


class GridLevels:
    """Networks between the levels of a hierarchy, each level on a smaller grid than the one below.

    Args:
        width: channels of all layers, and of the features of every level.
        depths: how often height and width are halved, from the image to the lowest level and from each level to the
            next; the lowest level first. 7 halved is 4.
        blocks: number of residual blocks of each network.
    """

    takes = ("images",)

    def __init__(self, width: PositiveInt, depths: list[PositiveInt], blocks: NonNegativeInt) -> None:
        self._nets = [GridResNet(width, depth, blocks) for depth in depths]
        self.levels = len(depths)

    def upward(self, in_shape: Shape, level: int, x_shape: Shape) -> nn.Module:
        """The network from an image, or from the features of the level below, to the features of a level.

        Raises:
            UserError: the image is too small to be halved this often.
        """
        return self._nets[level].grid_encoder(in_shape)

    def downward(self, in_shape: Shape, out_shape: Shape, level: int) -> nn.Module:
        """The network from codes of the level above to the features of a level."""
        return self._nets[level + 1].grid_decoder(in_shape[0], out_shape)

    def output(self, in_shape: Shape, out_shape: Shape) -> nn.Module:
        """The network from codes on the grid of the lowest level to the parameters of the likelihood."""
        return self._nets[0].grid_decoder(in_shape[0], out_shape)
