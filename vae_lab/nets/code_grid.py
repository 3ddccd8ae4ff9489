"""Discrete codes on a grid as the input and the output of networks, for priors over codes.

A residual quantizer has several codes per position. The network between input and output then works on positions, and
sees the sum of the embeddings of a position's codes; the codes of a position are predicted one after the other, each
given those before it (arXiv 2203.01941, section 3.2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.errors import UserError
from vae_lab.types import Shape


@dataclass(frozen=True)
class CodeGrid:
    """The codes of one level: ``depth`` codes per position of a grid, each one of K."""

    height: int
    width: int
    depth: int
    codes: int  # K
    shape: Shape  # of the codes of one example: [H, W], or [H, W, depth], or [T]

    @classmethod
    def of(cls, shape: Sequence[int], codes: int) -> "CodeGrid":
        """The grid of codes of this shape: [H, W], [H, W, depth] of a residual quantizer, or [T], which is one row.

        Raises:
            UserError: the shape is another one.
        """
        if not 1 <= len(shape) <= 3:
            raise UserError(f"codes of shape {list(shape)} are no grid; the priors over codes take [T], [H, W] or "
                            "[H, W, depth]; type sampler=prior")  # fmt: skip
        height, width, depth = {1: (1, *shape, 1), 2: (*shape, 1), 3: tuple(shape)}[len(shape)]
        return cls(height, width, depth, codes, tuple(shape))

    @property
    def positions(self) -> int:
        """H · W."""
        return self.height * self.width

    def placed(self, codes: Tensor) -> Tensor:
        """Codes [N, *shape] as [N, H, W, depth]."""
        return codes.reshape(len(codes), self.height, self.width, self.depth)


class CodeEmbedding(nn.Module):
    """The sum of the embeddings of a position's codes: long [N, H, W, depth] to [N, H, W, C]."""

    def __init__(self, grid: CodeGrid, channels: int) -> None:
        super().__init__()
        self.table = nn.Embedding(grid.depth * grid.codes, channels)
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(grid.depth))
        self.offsets: Tensor
        self.register_buffer("offsets", torch.arange(grid.depth) * grid.codes, persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Embed the codes, those of each depth by a table of its own."""
        return self.each(codes).sum(-2)

    def each(self, codes: Tensor) -> Tensor:
        """The embedding of each code: [..., depth] to [..., depth, C]."""
        vectors: Tensor = self.table(codes + self.offsets)
        return vectors


class CodeHead(nn.Module):
    """Features of positions to the logits of their codes, each given the codes of the same position before it.

    The logits are 0 before training.
    """

    def __init__(self, grid: CodeGrid, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.out = nn.Linear(channels, grid.codes)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.depth = grid.depth
        if grid.depth > 1:
            self.before = CodeEmbedding(grid, channels)
            self.start = nn.Parameter(torch.zeros(grid.depth, channels))
            self.mix = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, h: Tensor, codes: Tensor) -> Tensor:
        """Features [..., C] and codes long [..., depth] to logits [..., depth, K]."""
        rows = self.norm(h).unsqueeze(-2)
        if self.depth > 1:
            each = self.before.each(codes)
            earlier = F.pad(each, (0, 0, 1, -1)).cumsum(-2)  # Σ over the depths before this one
            rows = rows + earlier + self.start
            rows = rows + self.mix(rows)
        logits: Tensor = self.out(rows)
        return logits


class Context(nn.Module):
    """What all codes of a level depend on: the labels or attributes y, and a map of the levels above.

    The codes of each level above are embedded, go through residual 3×3 convolutions on their own grid, and are
    enlarged to the grid of this level.
    """

    def __init__(self, grid: CodeGrid, above: Sequence[CodeGrid], y_size: int, channels: int) -> None:
        super().__init__()
        self.size, self.above, self.y_size = (grid.height, grid.width), tuple(above), y_size
        self.of_y = nn.Linear(y_size, channels, bias=False) if y_size else None
        self.embeddings = nn.ModuleList(CodeEmbedding(level, channels) for level in above)
        self.maps = nn.ModuleList(nn.Sequential(_Residual(channels), _Residual(channels)) for _ in above)

    def vector(self, y: Tensor | None) -> Tensor | None:
        """A vector of y: labels long [N] or attributes [N, A] to [N, C]; None for a model that is not conditional.

        Raises:
            ValueError: the model is conditional, and y is None.
        """
        if self.of_y is None:
            return None
        if y is None:
            raise ValueError("a prior of the codes of a conditional model needs y: labels [N] or attributes [N, A]")
        encoded = F.one_hot(y.long(), self.y_size) if y.ndim == 1 else y
        vector: Tensor = self.of_y(encoded.to(self.of_y.weight.dtype))
        return vector

    def map(self, top: Sequence[Tensor]) -> Tensor | None:
        """A map of the codes of the levels above, each long [N, *shape], to [N, C, H, W]; None for the top level."""
        maps = []
        for codes, level, embed, convolve in zip(top, self.above, self.embeddings, self.maps, strict=True):
            vectors = embed(level.placed(codes)).movedim(-1, 1)
            maps.append(F.interpolate(convolve(vectors), self.size, mode="nearest"))
        return torch.stack(maps).sum(0) if maps else None


class _Residual(nn.Module):
    """x + conv1×1(σ(conv3×3(σ(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1), nn.SiLU(), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        return x + self.layers(x)
