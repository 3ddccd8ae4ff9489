"""Decoder outputs and images shared by the tests of likelihoods."""

import torch
from helpers import gen
from torch.distributions import Normal

SHAPE = (2, 3, 4)
VALUES = 24


def pair(k: int = 3, b: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    params = torch.randn((k, b, *SHAPE), generator=gen(1))
    return params, torch.rand((b, *SHAPE), generator=gen(2))


def normal_log_prob(params, target, sigma) -> torch.Tensor:
    return Normal(torch.sigmoid(params), sigma).log_prob(target).sum((2, 3, 4))
