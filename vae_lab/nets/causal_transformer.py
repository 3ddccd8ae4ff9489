"""A causal transformer over a grid of codes (arXiv 1706.03762, with normalisation before each part).

The input at position t is the embedding of the code at t − 1, in the order of rows, plus embeddings of row and column
of t and the map of the levels above at t. At the first position, a start token takes the place of the code; with y, it
is the class token.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.errors import UserError
from vae_lab.nets.causal_codes import CausalCodes
from vae_lab.nets.code_grid import CodeGrid


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


class CausalTransformer(CausalCodes):
    """A stack of :class:`CausalBlock`.

    Args:
        grid, above, y_size: see :class:`CausalCodes`.
        channels: width of all layers.
        layers: number of blocks.
        heads: attention heads, a divisor of ``channels``.

    Raises:
        UserError: ``heads`` does not divide ``channels``.
    """

    def __init__(
        self, grid: CodeGrid, above: Sequence[CodeGrid], y_size: int, channels: int, layers: int, heads: int
    ) -> None:
        if channels % heads:
            raise UserError(f"sampler.heads={heads} does not divide sampler.width={channels}; type sampler.heads=4")
        super().__init__(grid, above, y_size, channels)
        self.start = nn.Parameter(torch.zeros(channels))
        self.rows = nn.Parameter(torch.randn(grid.height, 1, channels) * 0.1)
        self.columns = nn.Parameter(torch.randn(grid.width, channels) * 0.1)
        self.blocks = nn.ModuleList(CausalBlock(channels, heads) for _ in range(layers))

    def features(self, vectors: Tensor, of_y: Tensor | None, of_top: Tensor | None) -> Tensor:
        """See :meth:`CausalCodes.features`."""
        first = self._first(vectors, of_y)
        earlier = torch.cat([first, vectors.flatten(1, 2)[:, :-1]], 1)  # [N, T, C]
        x = earlier + self._places(of_top)[:, : earlier.shape[1]]
        for block in self.blocks:
            x = block(x)
        return x.view_as(vectors)

    def in_turn(self, codes: Tensor, top: Sequence[Tensor], y: Tensor | None) -> Iterator[Tensor]:
        """See :meth:`CausalCodes.in_turn`; keys and values of earlier positions are kept."""
        places = self._places(self.context.map(top))
        pasts: list[list[Tensor]] = [[] for _ in self.blocks]
        vector = self._first(places.expand(len(codes), -1, -1), self.context.vector(y))
        for t in range(self.grid.positions):
            x = vector + places[:, t : t + 1]
            for block, past in zip(self.blocks, pasts):
                x = block(x, past)
            yield x[:, 0]
            vector = self.embed(codes.flatten(1, 2)[:, t : t + 1])

    def _first(self, like: Tensor, of_y: Tensor | None) -> Tensor:
        """The token at the first position, [N, 1, C]."""
        start = self.start.expand(len(like), 1, -1)
        return start if of_y is None else start + of_y.unsqueeze(1)

    def _places(self, of_top: Tensor | None) -> Tensor:
        """What is added at each position: [1 or N, T, C]."""
        places = (self.rows + self.columns).flatten(0, 1).unsqueeze(0)
        return places if of_top is None else places[:, : of_top[0, 0].numel()] + of_top.flatten(2).movedim(1, 2)
