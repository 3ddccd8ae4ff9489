"""A causal transformer over a grid of codes (arXiv 1706.03762, with normalisation before each part).

The input at position t is the embedding of the code at t − 1, in the order of rows, plus embeddings of the row and the
column of t and the map of the levels above at t. A masked convolution adds the codes around t, of which it sees those
above and to the left: attention alone would have to find them by the embeddings of places, which takes epochs. A token
comes first, to which all positions attend; with y, it is the class token.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.nets.causal_codes import CausalCodes
from vae_lab.nets.code_grid import CodeGrid

REACH = 2  # rows and columns that the input of a position sees
PAD = (REACH, REACH, REACH, 0)  # left, right, above and below


class CausalBlock(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)); position t attends to positions up to t."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_mlp = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.qkv, self.join = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))

    def forward(self, x: Tensor, past: list[Tensor] | None = None) -> Tensor:
        """[N, T, C] -> [N, T, C].

        Args:
            x: all positions; with ``past``, the one position that follows.
            past: keys and values of the earlier positions, [2, N, heads, T, C / heads], as a list of one tensor or
                none, which is replaced by those that include this position.
        """
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if past is None:
            h = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            past[:] = [torch.cat([*past, torch.stack([k, v])], 3)]
            h = F.scaled_dot_product_attention(q, past[0][0], past[0][1])
        x = x + self.join(h.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm_mlp(x))


class Neighbourhood(nn.Conv2d):
    """A convolution that sees the :data:`REACH` rows above and the codes to the left: [N, C, H, W] to the same."""

    mask: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, (REACH + 1, 2 * REACH + 1))
        mask = torch.ones(REACH + 1, 2 * REACH + 1)
        mask[REACH, REACH:] = 0  # the position itself, and those to its right
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of a padded grid [N, C, H + REACH, W + 2 REACH]."""
        return F.conv2d(x, self.weight * self.mask, self.bias)


class CausalTransformer(CausalCodes):
    """A stack of :class:`CausalBlock`.

    Args:
        grid, above, y_size: see :class:`CausalCodes`.
        channels: width of all layers.
        layers: number of blocks.
        heads: attention heads, a divisor of ``channels``.
    """

    def __init__(
        self, grid: CodeGrid, above: Sequence[CodeGrid], y_size: int, channels: int, layers: int, heads: int
    ) -> None:
        super().__init__(grid, above, y_size, channels)
        self.start = nn.Parameter(torch.zeros(channels))
        self.rows = nn.Parameter(torch.randn(grid.height, 1, channels) * 0.1)
        self.columns = nn.Parameter(torch.randn(grid.width, channels) * 0.1)
        self.neighbours = Neighbourhood(channels)
        self.blocks = nn.ModuleList(CausalBlock(channels, heads) for _ in range(layers))

    def features(self, vectors: Tensor, of_y: Tensor | None, of_top: Tensor | None) -> Tensor:
        """See :meth:`CausalCodes.features`."""
        near = self.neighbours(F.pad(vectors.movedim(-1, 1), PAD)).flatten(2).movedim(1, 2)  # [N, T, C]
        before = F.pad(vectors.flatten(1, 2), (0, 0, 1, -1))
        x = torch.cat([self._token(near, of_y), near + before + self._places(of_top)[:, : near.shape[1]]], 1)
        for block in self.blocks:
            x = block(x)
        return x[:, 1:].reshape(vectors.shape)

    def in_turn(self, codes: Tensor, top: Sequence[Tensor], y: Tensor | None) -> Iterator[Tensor]:
        """See :meth:`CausalCodes.in_turn`; keys and values of earlier positions are kept."""
        places = self._places(self.context.map(top))
        pasts: list[list[Tensor]] = [[] for _ in self.blocks]
        x = self._token(places.expand(len(codes), -1, -1), self.context.vector(y))
        for block, past in zip(self.blocks, pasts):
            x = block(x, past)
        before, places = torch.zeros_like(x), places.unsqueeze(2)
        seen = x.new_zeros(len(codes), x.shape[2], self.grid.height + REACH, self.grid.width + 2 * REACH)
        for t in range(self.grid.positions):
            row, column = divmod(t, self.grid.width)
            window = seen[:, :, row : row + REACH + 1, column : column + 2 * REACH + 1]
            x = self.neighbours(window).flatten(2).movedim(1, 2) + before + places[:, t]
            for block, past in zip(self.blocks, pasts):
                x = block(x, past)
            yield x[:, 0]
            before = self.embed(codes[:, row, column]).unsqueeze(1)
            seen[:, :, row + REACH, column + REACH] = before[:, 0]

    def _token(self, like: Tensor, of_y: Tensor | None) -> Tensor:
        """The token before the first position, [N, 1, C]."""
        start = self.start.expand(len(like), 1, -1)
        return start if of_y is None else start + of_y.unsqueeze(1)

    def _places(self, of_top: Tensor | None) -> Tensor:
        """What is added at each position: [1 or N, T, C]."""
        places = (self.rows + self.columns).flatten(0, 1).unsqueeze(0)
        return places if of_top is None else places[:, : of_top[0, 0].numel()] + of_top.flatten(2).movedim(1, 2)
