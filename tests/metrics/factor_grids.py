"""Codes of a small grid of factors whose disentanglement is known."""

import math

import torch
from helpers import FakeTrained, gen, labelled

from vae_lab.examples import Factors

SIZES = (3, 4, 5)
NAMES = ("a", "b", "c")


def values(sizes=SIZES) -> torch.Tensor:
    """Every combination, the last factor changing fastest: [60, 3], scaled to [0, 1]."""
    axes = torch.meshgrid(*(torch.linspace(0, 1, size) for size in sizes), indexing="ij")
    return torch.stack(axes, -1).reshape(-1, len(sizes))


def rotated(angle: float = math.pi / 4) -> torch.Tensor:
    """Pairs of dimensions turned into each other, one after another: no dimension serves one factor."""
    z = values() - 0.5
    for i, j in ((0, 1), (1, 2), (0, 2)):
        turn = torch.eye(3)
        turn[i, i] = turn[j, j] = math.cos(angle)
        turn[i, j], turn[j, i] = -math.sin(angle), math.sin(angle)
        z = z @ turn
    return z


def noise(dimensions: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(math.prod(SIZES), dimensions, generator=gen(seed))


PERFECT = values()
DISGUISED = torch.cat([-7 * PERFECT[:, [2]] + 3, 0.2 * PERFECT[:, [0]], 1.5 * PERFECT[:, [1]]], 1)
WITH_UNUSED = torch.cat([PERFECT, torch.zeros(len(PERFECT), 2)], 1)
DOUBLED = torch.cat([PERFECT, 2 * PERFECT], 1)


def trained(codes: torch.Tensor, sizes=SIZES) -> FakeTrained:
    images = labelled(math.prod(sizes))
    images.factors = Factors(NAMES[: len(sizes)], sizes, images.stored, "a small grid")
    return FakeTrained(images, given_factor_codes=codes)
