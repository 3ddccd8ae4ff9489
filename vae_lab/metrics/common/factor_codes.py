"""Codes of images whose factors of variation are known, as all disentanglement scores use them.

The datasets hold one image for every combination of factor values. The codes z(v) = E_q[z|x(v)] of all M images are
therefore computed once, [M, D]. Every score samples factor values v and looks up their codes, which is equivalent to
encoding sampled images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from operator import mul
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from vae_lab.scores import Trained
from vae_lab.types import Noise

_AT_ONCE = 500  # points or votes computed at a time; each of them needs the codes of many images
Points = Annotated[int, Ge(100)]  # number of sampled images; scores of fewer would be meaningless
CodesAndFactors = tuple[np.ndarray, np.ndarray]  # codes [n, D] and factor values [n, F]


@dataclass
class FactorCodes:
    """A table of codes, indexed by factor values."""

    codes: Tensor  # [M, D], the last factor changing fastest
    sizes: tuple[int, ...]  # number of values of each of the F factors
    about: dict[str, object]  # entries for protocols

    def values(self, noise: Noise, *shape: int) -> Tensor:
        """Independent, uniformly distributed factor values: long [*shape, F]."""
        draws = noise.uniform(*shape, len(self.sizes)).cpu().double()
        return (draws * torch.tensor(self.sizes)).long()

    def which(self, noise: Noise, n: int) -> Tensor:
        """Independent, uniformly distributed indices of factors: long [n]."""
        return (noise.uniform(n).cpu().double() * len(self.sizes)).long()

    def at(self, values: Tensor) -> Tensor:
        """The codes of the images with these factor values: long [..., F] to [..., D]."""
        strides = list(accumulate((1, *self.sizes[:0:-1]), mul))[::-1]
        return self.codes[(values * torch.tensor(strides)).sum(-1)]

    def sample(self, noise: Noise, n: int) -> CodesAndFactors:
        """Codes [n, D] and factor values [n, F] of n images drawn with replacement."""
        values = self.values(noise, n)
        return self.at(values).numpy(), values.numpy()


def factor_codes(trained: Trained, score: str) -> tuple[FactorCodes | None, list[str]]:
    """Return the codes, or None if they are not finite, and notes for the user.

    Args:
        trained: the model, on a dataset with known factors.
        score: name of the score that is computed from the codes, for the notes.
    """
    factors, many = trained.data.factors, trained.data.values.many
    assert factors is not None
    codes = trained.factor_codes().float()
    if not torch.isfinite(codes).all():
        return None, [f"No {score}: the codes hold NaN or infinite values."]
    about = {
        "dataset": factors.label or trained.data.name,
        "factors": dict(zip(factors.names, factors.sizes)),
        "codes": f"posterior means of all {len(codes):,} {many}, sampled with replacement",
        "seed": trained.seed,
        "software": f"scikit-learn {version('scikit-learn')}",
    }
    unused = (codes.amax(0) == codes.amin(0)).all()
    notes = [f"{score} is that of an unused latent space: all {many} have the same code."] if unused else []
    return FactorCodes(codes, factors.sizes, about), notes


def in_parts(
    draw: Callable[[int], tuple[Tensor, Tensor]], numbers: Sequence[int], trained: Trained, description: str
) -> tuple[Tensor, Tensor]:
    """Draw ``numbers[0]`` points, then ``numbers[1]`` points and so on, a few hundred at a time, and concatenate them.

    No call of ``draw`` spans two of the numbers, so the first points do not depend on how many follow.
    """
    counts = [min(_AT_ONCE, n - start) for n in numbers for start in range(0, n, _AT_ONCE)]
    parts = [draw(n) for n in trained.progress(counts, description)]
    first, second = (torch.cat(part) for part in zip(*parts))
    return first, second
