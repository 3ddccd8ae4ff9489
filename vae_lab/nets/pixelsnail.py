"""PixelSNAIL over a grid of codes: gated convolutions and causal attention (Chen et al. 2018, arXiv 1712.09763).

A block has a few gated layers (of :mod:`vae_lab.nets.gated_pixelcnn`), then attention of every position to all earlier
ones. Keys and values are made of the features of a position, its code and its place (figure 3 of the paper), queries of
features and place; the result is added to the features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.nets.causal_codes import CausalCodes
from vae_lab.nets.code_grid import CodeGrid
from vae_lab.nets.gated_pixelcnn import GatedLayer, joined


class EarlierAttention(nn.Module):
    """Attention of every position to all strictly earlier ones; the first attends to a start token."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.start = nn.Parameter(torch.zeros(2 * channels))
        self.norm = nn.LayerNorm(channels)
        self.query, self.join = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.key_value = nn.Linear(2 * channels, 2 * channels)

    def forward(self, h: Tensor, vectors: Tensor, places: Tensor) -> Tensor:
        """Features h, code vectors and places, [N, T, C] each, to h plus what is attended to."""
        seen = self.norm(h) + places
        start = self.start.expand(len(h), 1, -1)
        earlier = torch.cat([start, torch.cat([seen, vectors], -1)[:, :-1]], 1)  # at t: the position t − 1
        q = self.query(seen).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.key_value(earlier).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return h + self.join(found.transpose(1, 2).flatten(2))


class PixelSNAIL(CausalCodes):
    """Blocks of :class:`GatedLayer` and :class:`EarlierAttention`.

    Args:
        grid, above, y_size: see :class:`CausalCodes`.
        channels: width of all layers.
        blocks: number of blocks.
        layers: gated layers in a block.
        kernel: odd size of the convolutions.
        heads: attention heads, a divisor of ``channels``.
    """

    def __init__(
        self,
        grid: CodeGrid,
        above: Sequence[CodeGrid],
        y_size: int,
        channels: int,
        blocks: int,
        layers: int,
        kernel: int,
        heads: int,
    ) -> None:
        super().__init__(grid, above, y_size, channels)
        given = bool(above or y_size)
        self.places = nn.Parameter(torch.randn(channels, grid.height, grid.width) * 0.1)
        self.layers = nn.ModuleList(
            nn.ModuleList(GatedLayer(channels, kernel, block == layer == 0, given) for layer in range(layers))
            for block in range(blocks)
        )
        self.attention = nn.ModuleList(EarlierAttention(channels, heads) for _ in range(blocks))

    def features(self, vectors: Tensor, of_y: Tensor | None, of_top: Tensor | None) -> Tensor:
        """See :meth:`CausalCodes.features`."""
        places = self.places[:, : vectors.shape[1]]
        v = h = vectors.movedim(-1, 1) + places
        s, flat = joined(of_y, of_top), vectors.flatten(1, 2)
        for layers, attend in zip(self.layers, self.attention, strict=True):
            for layer in layers:  # type: ignore[attr-defined]  # a ModuleList
                v, h = layer(v, h, s)
            h = attend(h.flatten(2).movedim(1, 2), flat, places.flatten(1).T).movedim(1, 2).view_as(h)
        return h.movedim(1, -1)
