"""The gated PixelCNN over a grid of codes (van den Oord et al. 2016, arXiv 1606.05328, figure 2 and equations 2 to 4).

Two stacks of masked convolutions see all earlier positions, without a blind spot. The vertical stack at a row sees this
row and those above, without limit to the sides; its output is shifted down by one row before it joins the horizontal
stack, which sees the positions to the left. Each layer is gated, y = tanh(a + V_a s) · σ(b + V_b s), where s is what
the codes depend on: y and the levels above. Only the first layer of the horizontal stack excludes the position itself
(mask A): the others read features that do not contain its code.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.nets.causal_codes import CausalCodes
from vae_lab.nets.code_grid import CodeGrid


class GatedLayer(nn.Module):
    """One layer of both stacks.

    Args:
        channels: C.
        kernel: odd size of the convolutions before they are masked.
        first: whether this is the first layer, whose horizontal stack excludes the position itself.
        given: whether the layer receives the map s.
    """

    def __init__(self, channels: int, kernel: int, first: bool, given: bool) -> None:
        super().__init__()
        self.reach, self.first = kernel // 2, first
        # Only the parts of the kernels that a mask would keep exist.
        self.vertical = nn.Conv2d(channels, 2 * channels, (self.reach + 1, kernel))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, self.reach + 1))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.across, self.out = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        self.given = nn.Conv2d(channels, 4 * channels, 1, bias=False) if given else None

    def forward(self, v: Tensor, h: Tensor, s: Tensor | None) -> tuple[Tensor, Tensor]:
        """The outputs of the vertical and the horizontal stack, [N, C, H, W] each."""
        reach = self.reach
        above = self.vertical(F.pad(v, (reach, reach, reach, 0)))
        left = self.horizontal(F.pad(h[..., :-1] if self.first else h, (reach + self.first, 0)))
        left = left + self.down(F.pad(above, (0, 0, 1, -1)))
        if self.given is not None:
            of_v, of_h = self.given(s).chunk(2, 1)
            above, left = above + of_v, left + of_h
        new_v, new_h = v + self.across(_gated(above)), self.out(_gated(left))
        return new_v, new_h if self.first else h + new_h  # the first input contains the position's own code


def _gated(x: Tensor) -> Tensor:
    a, b = x.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)


class GatedPixelCNN(CausalCodes):
    """A stack of :class:`GatedLayer`.

    Args:
        grid, above, y_size: see :class:`CausalCodes`.
        channels: width of both stacks.
        layers: number of layers.
        kernel: odd size of the convolutions; after L layers, a position sees L · ⌊kernel / 2⌋ columns to each side.
    """

    def __init__(
        self, grid: CodeGrid, above: Sequence[CodeGrid], y_size: int, channels: int, layers: int, kernel: int
    ) -> None:
        super().__init__(grid, above, y_size, channels)
        given = bool(above or y_size)
        self.places = nn.Parameter(torch.randn(channels, grid.height, grid.width) * 0.1)
        self.layers = nn.ModuleList(GatedLayer(channels, kernel, i == 0, given) for i in range(layers))

    def features(self, vectors: Tensor, of_y: Tensor | None, of_top: Tensor | None) -> Tensor:
        """See :meth:`CausalCodes.features`."""
        v = h = vectors.movedim(-1, 1) + self.places[:, : vectors.shape[1]]
        s = joined(of_y, of_top)
        for layer in self.layers:
            v, h = layer(v, h, s)
        return h.movedim(1, -1)


def joined(of_y: Tensor | None, of_top: Tensor | None) -> Tensor | None:
    """The map s of y and the levels above: [N, C, H, W], or [N, C, 1, 1] of y alone; None: nothing is given."""
    if of_y is None:
        return of_top
    vector = of_y[:, :, None, None]
    return vector if of_top is None else of_top + vector
