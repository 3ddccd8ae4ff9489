"""Noise as a function of its key: the same (seed, step, phase, rank) always gives the same draws.

Nothing in a forward pass calls a global generator, so a resumed run needs no saved random state.
"""

from zlib import crc32

import numpy as np
import torch
from torch import Tensor


def generator(device: torch.device | str, *key: int | str) -> torch.Generator:
    """A generator on ``device`` seeded by a key of whole numbers (≥ 0) and words."""
    entropy = [crc32(part.encode()) if isinstance(part, str) else part for part in key]
    seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator(device).manual_seed(seed)


class SeededNoise:
    """Draws that depend on the key alone, in the order in which they are asked for."""

    def __init__(self, device: torch.device | str, *key: int | str) -> None:
        self.device = torch.device(device)
        self._generator = generator(device, *key)

    def normal(self, *shape: int) -> Tensor:
        """Standard-normal draws of the given shape."""
        return torch.randn(shape, generator=self._generator, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape."""
        return torch.rand(shape, generator=self._generator, device=self.device)
