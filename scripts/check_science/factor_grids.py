"""Synthetic codes of all combinations of the factors of dSprites, and what the scores need of a trained model."""

from collections.abc import Iterable
from functools import cache
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vae_lab.examples import Factors, ImageBytes
from vae_lab.noise import SeededNoise

T = TypeVar("T")
Sizes = tuple[int, ...]
SIZES: Sizes = (3, 6, 40, 32, 32)


@cache
def synthetic_codes(sizes: Sizes) -> dict[str, Tensor]:
    """Codes [M, 6] by name: five dimensions of factors and one of noise.

    - *perfect*: the values of the factors, and one dimension of noise;
    - *noisy*: the same, with added noise of half their standard deviation;
    - *half entangled*: the last three factors are rotated into each other;
    - *rotated*: all five factors are rotated into each other, and the sixth dimension is dead;
    - *noise*: noise alone.
    """
    draws = torch.Generator().manual_seed(0)
    axes = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in sizes), indexing="ij")
    factors = torch.stack(axes, -1).reshape(-1, len(sizes))
    factors = factors / factors.std(0)

    def noise(d: int, scale: float) -> Tensor:
        return scale * torch.randn(len(factors), d, generator=draws)

    turn = torch.linalg.qr(torch.randn(5, 5, generator=draws)).Q
    half = torch.linalg.qr(torch.randn(3, 3, generator=draws)).Q
    return {
        "perfect": torch.cat([factors, noise(1, 1.0)], 1),
        "noisy": torch.cat([factors + noise(5, 0.5), noise(1, 1.0)], 1),
        "half entangled": torch.cat([factors[:, :2], factors[:, 2:] @ half + noise(3, 0.1), noise(1, 1.0)], 1),
        "rotated": torch.cat([factors @ turn + noise(5, 0.1), noise(1, 0.01)], 1),
        "noise": noise(6, 1.0),
    }


class Given:
    """Codes with the interface of a trained model's evaluation."""

    def __init__(self, name: str, sizes: Sizes = SIZES, seed: int = 0) -> None:
        self.codes, self.seed = synthetic_codes(sizes)[name], seed
        names = ("shape", "scale", "orientation", "x", "y")
        factors = Factors(names, sizes, self.codes, "synthetic codes")
        self.data = SimpleNamespace(name="synthetic", factors=factors, values=ImageBytes())

    def factor_codes(self) -> Tensor:
        """All codes."""
        return self.codes

    def noise(self, purpose: str) -> SeededNoise:
        """The noise for a purpose, as an evaluation makes it."""
        return SeededNoise("cpu", self.seed, "evaluation", purpose)

    def progress(self, steps: Iterable[T], _: str) -> Iterable[T]:
        """The steps, without showing progress."""
        return steps


def random_values(n: int, random: np.random.Generator, sizes: Sizes = SIZES) -> np.ndarray:
    """Random values of the factors [n, F]."""
    return np.stack([random.integers(size, size=n) for size in sizes], 1)


def looked_up(codes: np.ndarray, values: np.ndarray, sizes: Sizes = SIZES) -> np.ndarray:
    """The codes of these factor values: [n, D]."""
    return codes[np.ravel_multi_index(tuple(values.T), sizes)]
