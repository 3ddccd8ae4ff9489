"""The gated PixelCNN over a grid of codes (van den Oord et al. 2016, arXiv 1606.05328, figure 2 and equations 2 to 4).

Two stacks of masked convolutions see all earlier positions, without a blind spot. The vertical stack at a row sees this
row and those above, without limit to the sides; its output is shifted down by one row before it joins the horizontal
stack, which sees the positions to the left. Each layer is gated, y = tanh(a + V_a s) · σ(b + V_b s), where s is what
the codes depend on: y and the levels above. Only the first layer of the horizontal stack excludes the position itself
(mask A): the others read features that do not contain its code.
"""

from collections.abc import Iterator, Sequence
from typing import cast

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
        new_v, rows = self.of_rows(v, s)
        return new_v, self.of_row(h, self.down(F.pad(rows, (0, 0, 1, -1))), s)

    def of_rows(self, v: Tensor, s: Tensor | None) -> tuple[Tensor, Tensor]:
        """The output of the vertical stack, [N, C, H, W], and its values before the gate, [N, 2C, H, W]."""
        rows = self.vertical(F.pad(v, (self.reach, self.reach, self.reach, 0)))
        given = rows if self.given is None else rows + self.given(s)[:, : rows.shape[1]]
        return v + self.across(_gated(given)), rows

    def of_row(self, h: Tensor, above: Tensor, s: Tensor | None) -> Tensor:
        """The output of the horizontal stack, from what the rows above contribute, [N, 2C, H, W]."""
        left = self.horizontal(F.pad(h[..., :-1] if self.first else h, (self.reach + self.first, 0))) + above
        left = left if self.given is None else left + self.given(s)[:, left.shape[1] :]
        new_h: Tensor = self.out(_gated(left))
        return new_h if self.first else h + new_h  # the first input contains the position's own code


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

    def in_turn(self, codes: Tensor, top: Sequence[Tensor], y: Tensor | None) -> Iterator[Tensor]:
        """See :meth:`CausalCodes.in_turn`; the vertical stack is computed once per row."""
        s = joined(self.context.vector(y), self.context.map(top))
        for row in range(self.grid.height):
            above, here = self._contributions(codes, row, s), slice(row, row + 1)
            for column in range(self.grid.width):
                h = self._input(codes, here)
                for layer, contribution in zip(self._layers, above, strict=True):
                    h = layer.of_row(h, contribution, _rows(s, here))
                yield h[:, :, 0, column]

    def _contributions(self, codes: Tensor, row: int, s: Tensor | None) -> list[Tensor]:
        """What the rows above a row contribute to the horizontal stack of each layer, [N, 2C, 1, W]."""
        v = self._input(codes, slice(0, row))
        found = []
        for layer in self._layers:
            if row == 0:
                rows = v.new_zeros(len(v), 2 * v.shape[1], 1, v.shape[3])
            else:
                v, rows = layer.of_rows(v, _rows(s, slice(0, row)))
            found.append(layer.down(rows[:, :, -1:]))
        return found

    def _input(self, codes: Tensor, rows: slice) -> Tensor:
        """The vectors of the codes of some rows with their places, [N, C, rows, W]."""
        vectors: Tensor = self.embed(codes[:, rows])
        return vectors.movedim(-1, 1) + self.places[:, rows]

    @property
    def _layers(self) -> list[GatedLayer]:
        return cast(list[GatedLayer], [*self.layers])


def _rows(s: Tensor | None, rows: slice) -> Tensor | None:
    """The rows of a map, unless it is the same everywhere."""
    return s if s is None or s.shape[2] == 1 else s[:, :, rows]


def joined(of_y: Tensor | None, of_top: Tensor | None) -> Tensor | None:
    """The map s of y and the levels above: [N, C, H, W], or [N, C, 1, 1] of y alone; None: nothing is given."""
    if of_y is None:
        return of_top
    vector = of_y[:, :, None, None]
    return vector if of_top is None else of_top + vector
