"""A linear-Gaussian world of codes, in which the direction of every attribute is known."""

import torch
from torch import Tensor

DIRECTIONS = torch.tensor([[3.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 1.5, 0.5]])  # of each attribute, [A, D]
NAMES = ("glasses", "hat", "smile")


def correlated(n: int, correlation: float, seed: int = 0) -> Tensor:
    """Three attributes, bool [N, 3], each of half of the examples; the first two with the given correlation."""
    draws = torch.Generator().manual_seed(seed)
    first, third = (torch.rand(n, generator=draws) < 0.5 for _ in range(2))
    same = torch.rand(n, generator=draws) < (1 + correlation) / 2
    return torch.stack([first, first == same, third], 1)


def codes_of(present: Tensor, noise: float = 0.3, seed: int = 1) -> Tensor:
    """Codes [N, 4]: μ + Σ_a present_a d_a + noise."""
    draws = torch.Generator().manual_seed(seed)
    exact = torch.tensor([1.0, -1.0, 0.5, 2.0]) + present.float() @ DIRECTIONS
    return exact + noise * torch.randn(exact.shape, generator=draws)
