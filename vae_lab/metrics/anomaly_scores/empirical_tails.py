"""Empirical tail probabilities, by which several numbers of an example are joined: COPOD and ECOD.

With n fitted rows, the left and right tails of column d at a point are F_d(x) = (1 + #{x_id ≤ x}) / (n + 1) and
G_d(x) = (1 + #{x_id ≥ x}) / (n + 1): the point counts as one of the rows, so that no probability is 0. With
l = −log F, r = −log G, and s = r in columns of positive skewness, l in those of negative skewness and l + r in those
of none, the score of a point is

- COPOD (Li et al. 2020, arXiv 2009.09463): Σ_d max(s_d, (l_d + r_d) / 2),
- ECOD (Li et al. 2022, arXiv 2201.00382): Σ_d max(s_d, l_d, r_d),

as the authors' library pyod computes them for one new point. The library treats several new points as further rows, so
that a score depends on which others it is computed with; here it depends on the fitted rows alone, and so does the
skewness.
"""

from typing import Literal

import torch
from torch import Tensor

Joined = Literal["copod", "ecod"]


class EmpiricalTails:
    """The tails of every column of fitted rows.

    Args:
        rows: numbers of examples [n, D].
    """

    def __init__(self, rows: Tensor) -> None:
        rows = rows.double().cpu()
        self.ascending = rows.T.sort(1).values.contiguous()  # [D, n]
        centred = rows - rows.mean(0)
        self.skewness = torch.sign((centred**3).mean(0))  # [D]: −1, 0 or 1

    def surprise(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return −log of the left and of the right tail of every number: [m, D] to twice [m, D] nats."""
        columns, n = points.double().cpu().T.contiguous(), self.ascending.shape[1]
        below_or_equal = torch.searchsorted(self.ascending, columns, right=True)
        below = torch.searchsorted(self.ascending, columns, right=False)
        left, right = (1 + below_or_equal).double() / (n + 1), (1 + n - below).double() / (n + 1)
        return -left.log().T, -right.log().T

    def __call__(self, points: Tensor, joined: Joined = "copod") -> Tensor:
        """Return the score of points [m, D], higher for more anomalous ones: float64 [m] nats."""
        left, right = self.surprise(points)
        skewed = left * (self.skewness < 1) + right * (self.skewness > -1)
        other = (left + right) / 2 if joined == "copod" else torch.maximum(left, right)
        return torch.maximum(skewed, other).sum(1)
