"""Convolutional networks between the levels of a hierarchy, each level on a grid of its own size."""

from collections.abc import Sequence

from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.errors import UserError, counted
from vae_lab.nets.norm import Norm, norm
from vae_lab.nets.resizing import image_size
from vae_lab.types import Shape


class _Block(nn.Module):
    """Resize the grid to ``size``, then ``depth`` 3×3 convolutions; from the second on, they are residual.

    A smaller grid is made by average pooling over whole cells where the sizes allow it, a larger one by repeating the
    nearest place.
    """

    def __init__(self, a: int, b: int, size: Sequence[int], depth: int, how: Norm, slope: float) -> None:
        super().__init__()
        self.size = (size[0], size[1])
        self.out_shape = (b, *self.size)
        self.convolutions = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a if i == 0 else b, b, 3, padding=1, bias=how == "none"),
                *norm(how, self.out_shape),
                nn.LeakyReLU(slope),
            )
            for i in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, A, H, W] -> [N, B, *size]."""
        smaller = x.shape[2] > self.size[0] or x.shape[3] > self.size[1]
        if smaller:
            x = F.adaptive_avg_pool2d(x, self.size)
        elif x.shape[2:] != self.size:
            x = F.interpolate(x, self.size)
        first, *others = self.convolutions
        x = first(x)
        for convolution in others:
            x = x + convolution(x)
        return x


class ConvLevels:
    """3×3 convolutions between every two levels; a level's features and codes are grids.

    Args:
        channels: channels of the features at each level, the lowest level first.
        scales: how many times smaller than the image the grid of each level is, the lowest level first. 7 halved is 4.
        depth: number of convolutions per level.
        norm: batch | layer | none. Without batch normalisation the upper levels of a ladder stay empty.
        slope: the slope of the leaky ReLU below 0.

    Raises:
        UserError: there are not as many scales as channels, or a scale is smaller than that of the level below.
    """

    takes = ("images",)

    def __init__(
        self,
        channels: list[PositiveInt],
        scales: list[PositiveInt],
        depth: PositiveInt = 2,
        norm: Norm = "batch",
        slope: NonNegativeFloat = 0.1,
    ) -> None:
        if len(scales) != len(channels):
            raise UserError(
                f"model.net.scales has {counted(len(scales), 'entry', 'entries')} and model.net.channels "
                f"{len(channels)}; type one entry per level in both"
            )
        if sorted(scales) != list(scales):
            typed = ",".join(map(str, sorted(scales)))
            raise UserError(f"model.net.scales: grids become smaller towards the top; type model.net.scales=[{typed}]")
        self.channels, self.scales, self.depth = list(channels), list(scales), depth
        self.norm, self.slope = norm, slope
        self.levels = len(self.channels)

    def upward(self, in_shape: Shape, level: int, x_shape: Shape) -> nn.Module:
        """The network from the level below, or from an image, to the features of a level.

        Raises:
            UserError: the image is too small for the grid of the highest level.
        """
        scale, size = self.scales[level], image_size(x_shape)
        if min(size) < scale:
            raise UserError(
                f"model.net.scales: a grid {scale} times smaller than an image of {size[0]}×{size[1]} is empty; "
                "type smaller scales"
            )
        return self._block(in_shape[0], self.channels[level], [-(-length // scale) for length in size])

    def downward(self, in_shape: Shape, out_shape: Shape, level: int) -> nn.Module:
        """The network from codes of the level above to the features of a level."""
        return self._block(in_shape[0], out_shape[0], out_shape[1:])

    def output(self, in_shape: Shape, out_shape: Shape) -> nn.Module:
        """The network from codes of the lowest level to the parameters of the likelihood."""
        block = self._block(in_shape[0], self.channels[0], out_shape[1:])
        return nn.Sequential(block, nn.Conv2d(self.channels[0], out_shape[0], 3, padding=1))

    def _block(self, a: int, b: int, size: Sequence[int]) -> _Block:
        return _Block(a, b, size, self.depth, self.norm, self.slope)
