"""Codes of images whose factors of variation are known: what the disentanglement scores have in common.

The datasets hold one image for every combination of their factors, so the codes z(v) = E_q[z|x(v)] of all of them are
read once, [M, D], and every score samples factor values v and looks codes up: the same as encoding sampled images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from operator import mul
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from vae_lab.scores import Trained
from vae_lab.types import Noise

_AT_ONCE = 500  # points or votes, each of many images
Points = Annotated[int, Ge(100)]  # sampled images: below this no score says anything


@dataclass
class FactorCodes:
    """Codes addressed by the values of the factors."""

    codes: Tensor  # [M, D], the last factor changing fastest
    sizes: tuple[int, ...]  # values of each of F factors
    about: dict[str, Any]  # for protocols

    def values(self, noise: Noise, *shape: int) -> Tensor:
        """Independent factor values, uniform over all: long [*shape, F]."""
        draws = noise.uniform(*shape, len(self.sizes)).cpu().double()
        return (draws * torch.tensor(self.sizes)).long()

    def which(self, noise: Noise, n: int) -> Tensor:
        """Indices of factors, uniform over all: long [n]."""
        return (noise.uniform(n).cpu().double() * len(self.sizes)).long()

    def at(self, values: Tensor) -> Tensor:
        """The codes of images: long [..., F] to [..., D]."""
        strides = list(accumulate((1, *self.sizes[:0:-1]), mul))[::-1]
        return self.codes[(values * torch.tensor(strides)).sum(-1)]

    def sample(self, noise: Noise, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes [n, D] and factor values [n, F] of n images drawn with replacement."""
        values = self.values(noise, n)
        return self.at(values).numpy(), values.numpy()


def factor_codes(trained: Trained, score: str) -> tuple[FactorCodes | None, list[str]]:
    """The codes, or None where ``score`` cannot be had of them, and notes that say why."""
    factors = trained.data.factors
    assert factors is not None
    codes = trained.factor_codes().float()
    if not torch.isfinite(codes).all():
        return None, [f"No {score}: the codes hold NaN or infinite values."]
    about = {
        "dataset": factors.label or trained.data.name,
        "factors": dict(zip(factors.names, factors.sizes)),
        "codes": f"posterior means of all {len(codes):,} images, sampled with replacement",
        "seed": trained.seed,
        "software": f"scikit-learn {version('scikit-learn')}",
    }
    unused = (codes.amax(0) == codes.amin(0)).all()
    notes = [f"{score} is that of an unused latent space: all images have the same code."] if unused else []
    return FactorCodes(codes, factors.sizes, about), notes


def in_parts(
    draw: Callable[[int], tuple[Tensor, Tensor]], numbers: Sequence[int], trained: Trained, description: str
) -> tuple[Tensor, Tensor]:
    """What ``draw`` gives for so many points, then for so many more, a few hundred at a time and in a row.

    No part belongs to two of the numbers, so the first points do not depend on how many follow.
    """
    counts = [min(_AT_ONCE, n - start) for n in numbers for start in range(0, n, _AT_ONCE)]
    parts = [draw(n) for n in trained.progress(counts, description)]
    first, second = (torch.cat(part) for part in zip(*parts))
    return first, second
