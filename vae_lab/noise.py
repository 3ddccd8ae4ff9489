"""Noise as a function of its key: the same (seed, step, phase, rank) always gives the same draws.

Nothing in a forward pass calls a global generator, so a resumed run needs no saved random state.
"""

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import torch
from torch import Tensor

from vae_lab.types import Noise

Asked = list[tuple[Literal["normal", "uniform"], tuple[int, ...]]]  # draws, in the order in which they are wanted


def generator(device: torch.device | str, *key: int | str) -> torch.Generator:
    """A generator on ``device`` seeded by a key of whole numbers and words, the same on every machine."""
    digest = blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


class SeededNoise:
    """Draws that depend on the key alone, in the order in which they are asked for."""

    def __init__(self, device: torch.device | str, *key: int | str) -> None:
        self.device = torch.device(device)
        self.key = key

    @cached_property
    def _generator(self) -> torch.Generator:
        return generator(self.device, *self.key)

    def normal(self, *shape: int) -> Tensor:
        """Standard-normal draws of the given shape."""
        return torch.randn(shape, generator=self._generator, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape."""
        return torch.rand(shape, generator=self._generator, device=self.device)


class NoNoise:
    """Noise at its centre: normal draws of 0 and uniform draws of ½.

    A model that infers with it has every level at the mean of its Gaussian, given the means of the levels above: the
    consistent posterior means of a hierarchy.

    Args:
        noise: asked for every draw all the same, so that later draws from it do not depend on whether noise was wanted.
    """

    def __init__(self, noise: Noise) -> None:
        self.noise = noise

    def normal(self, *shape: int) -> Tensor:
        """Zeros of the given shape."""
        return torch.zeros_like(self.noise.normal(*shape))

    def uniform(self, *shape: int) -> Tensor:
        """One half everywhere."""
        return torch.full_like(self.noise.uniform(*shape), 0.5)


class NotedNoise:
    """Draws as another noise does, and notes in ``asked`` what was asked for."""

    def __init__(self, noise: Noise) -> None:
        self.noise = noise
        self.asked: Asked = []

    def normal(self, *shape: int) -> Tensor:
        """Standard-normal draws of the given shape."""
        self.asked.append(("normal", shape))
        return self.noise.normal(*shape)

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape."""
        self.asked.append(("uniform", shape))
        return self.noise.uniform(*shape)


class GivenNoise:
    """Hands out draws that were made beforehand, where none can be made: in a compiled or a stacked step."""

    def __init__(self, draws: Sequence[Tensor]) -> None:
        self.draws = draws
        self.used = 0

    def normal(self, *shape: int) -> Tensor:
        """The next draw."""
        self.used += 1
        return self.draws[self.used - 1]

    uniform = normal


def drawn(noise: Noise, asked: Asked) -> list[Tensor]:
    """All that a step will ask for, in that order: the same draws as if it asked itself."""
    return [noise.normal(*shape) if kind == "normal" else noise.uniform(*shape) for kind, shape in asked]
