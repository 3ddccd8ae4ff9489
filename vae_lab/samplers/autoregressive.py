"""Priors over discrete codes that factorise over positions: p(c|y) = Π_l Π_t p(c_{l,t} | c_{l,<t}, c_{<l}, y).

The levels come top first and the positions row by row; each level has a network of its own, which is trained apart on
codes that are encoded anew in every epoch (arXiv 1906.00446, section 3.2). To draw with a temperature τ, the logits of
every code are divided by τ: τ < 1 makes probable codes more probable, and τ = 0 takes the most probable one.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.errors import UserError
from vae_lab.nets.causal_codes import CausalCodes
from vae_lab.nets.code_grid import CodeGrid
from vae_lab.samplers.fitted import Fitted
from vae_lab.samplers.prior_training import PriorTraining, scored_at_once
from vae_lab.samplers.training import build_seeded
from vae_lab.types import CodeBatch, CodeSource, Noise, Progress, Unfinished

DRAWN_AT_ONCE = 100  # examples


class Autoregressive(Fitted, ABC):
    """The base of priors over codes, which differ in their networks.

    Args:
        training: fits the networks.
    """

    takes = ("discrete",)
    prior_of_codes = True

    def __init__(self, training: PriorTraining) -> None:
        super().__init__()
        self.training_loop = training
        self.grids: list[CodeGrid] = []
        self.networks = nn.ModuleList()

    @abstractmethod
    def network(self, grid: CodeGrid, above: Sequence[CodeGrid], y_size: int) -> CausalCodes:
        """The network of a level, with initial weights.

        Args:
            grid: the codes of the level.
            above: those of the levels above it, top first.
            y_size: number of classes or attributes; 0: there are none.
        """

    def build(self, *sizes: int) -> None:
        """Create the networks; ``sizes`` are ``y_size`` and for each level K, the number of axes, and the shape."""
        super().build(*sizes)
        y_size, *rest = sizes
        self.grids = []
        while rest:
            codes, axes, *rest = rest
            self.grids.append(CodeGrid.of(rest[:axes], codes))
            rest = rest[axes:]
        self.networks = nn.ModuleList(
            self.network(grid, self.grids[:level], y_size) for level, grid in enumerate(self.grids)
        )

    def fit(self, source: CodeSource, noise: Noise, progress: Progress, unfinished: Unfinished) -> None:
        """Fit every level apart, on the device of the source."""
        self.build_for(source, noise)
        nats = [partial(self.nats, level) for level in range(len(self.grids))]
        fits = self.training_loop([*self.networks], nats, source, progress, unfinished)
        self.about = {"budget": self.training_loop.budget(source), "levels": fits}

    def build_for(self, source: CodeSource, noise: Noise) -> None:
        """Create the networks for the codes of a source, on its device, with initial weights from ``noise``."""
        levels = zip(source.sizes, source.shapes, strict=True)
        sizes = [source.y_size, *(number for codes, shape in levels for number in (codes, len(shape), *shape))]
        build_seeded(lambda: self.build(*sizes), noise)
        self.to(source.device)

    def nats(self, level: int, batch: CodeBatch) -> Tensor:
        """Return −log p(c_l | c_{<l}, y) of one level, [B]."""
        network = cast(CausalCodes, self.networks[level])
        codes = self.grids[level].placed(batch.codes[level])
        logits = network(codes, batch.codes[:level], batch.y).flatten(0, -2)
        return F.cross_entropy(logits, codes.flatten(), reduction="none").unflatten(0, codes.shape).flatten(1).sum(1)

    def log_prob(self, codes: tuple[Tensor, ...], y: Tensor | None = None) -> Tensor:
        """Return log p(c_l | c_{<l}, y) of the codes of all levels, each long [N, *shape]: [N, levels] nats."""
        columns = []
        for level, grid in enumerate(self.grids):
            rows = scored_at_once(grid.positions * grid.depth * grid.codes)
            parts = [None if y is None else y[i : i + rows] for i in range(0, len(codes[level]), rows)]
            batches = zip(zip(*(part.split(rows) for part in codes), strict=True), parts, strict=True)
            columns.append(torch.cat([-self.nats(level, CodeBatch(part, of_y)) for part, of_y in batches]))
        return torch.stack(columns, 1)

    def sample(
        self,
        n: int,
        noise: Noise,
        y: Tensor | None = None,
        top: tuple[Tensor, ...] = (),
        temperature: Sequence[float] = (1.0,),
    ) -> tuple[Tensor, ...]:
        """Return n draws of the codes of every level, each long [n, *shape]; see :class:`vae_lab.types.CodePrior`."""
        codes = list(top)
        for level in range(len(top), len(self.grids)):
            grid, scale = self.grids[level], temperature[level if len(temperature) > 1 else 0]
            uniform = noise.uniform(n, grid.positions, grid.depth)
            parts = []
            for start in range(0, n, DRAWN_AT_ONCE):
                rows = slice(start, start + DRAWN_AT_ONCE)
                of_y = None if y is None else y[rows]
                parts.append(self._drawn(level, uniform[rows], [above[rows] for above in codes], of_y, scale))
            codes.append(torch.cat(parts))
        return tuple(codes)

    def _drawn(self, level: int, uniform: Tensor, top: list[Tensor], y: Tensor | None, scale: float) -> Tensor:
        """Codes [n, *shape] of one level by inversion of the distribution function at ``uniform``, [n, H·W, depth]."""
        grid, network = self.grids[level], cast(CausalCodes, self.networks[level])
        codes = uniform.new_zeros(len(uniform), grid.height, grid.width, grid.depth, dtype=torch.long)
        flat = codes.view(len(codes), grid.positions, grid.depth)
        for t, h in enumerate(network.in_turn(codes, top, y)):
            for d in range(grid.depth):
                logits = network.head(h, flat[:, t])[:, d]
                flat[:, t, d] = inverted(logits, uniform[:, t, d], scale)
        return codes.view(len(codes), *grid.shape)


def refuse_heads(heads: int, width: int) -> None:
    """Refuse a number of attention heads that does not divide the width of the layers.

    Raises:
        UserError: names both.
    """
    if width % heads:
        raise UserError(f"sampler.heads={heads} does not divide sampler.width={width}; type sampler.heads=1")


def inverted(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """The code at which the distribution function of softmax(logits / τ) passes u: [n, K] and [n] to long [n].

    >>> inverted(torch.tensor([[0.0, 0.0]] * 3), torch.tensor([0.2, 0.5, 0.9]), temperature=1.0).tolist()
    [0, 1, 1]
    """
    if temperature == 0:
        return logits.argmax(-1)
    reached = torch.softmax(logits.float() / temperature, -1).cumsum(-1)
    below = (reached <= uniform.unsqueeze(-1) * reached[:, -1:]).sum(-1)
    return below.clamp(max=logits.shape[-1] - 1)
