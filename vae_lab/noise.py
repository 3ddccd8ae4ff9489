"""Noise as a function of its key: the same (seed, step, phase, rank) always gives the same draws.

Nothing in a forward pass calls a global generator, so a resumed run needs no saved random state.
"""

from functools import cached_property
from hashlib import blake2b

import torch
from torch import Tensor


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
