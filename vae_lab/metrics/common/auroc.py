"""AUROC = P(score of an odd image > score of a usual one) + ½ P(equal): 1 told apart, ½ blind, below ½ the other way.

The area under the curve of true against false alarms as the threshold falls (Hanley & McNeil 1982).
"""

import numpy as np
import torch
from torch import Tensor


def auroc(odd: Tensor, usual: Tensor) -> float:
    """From the scores of odd [m] and usual [n] images."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*_together(odd, usual)))


def roc(odd: Tensor, usual: Tensor, false_alarms: np.ndarray) -> list[float]:
    """Share of odd images that are found at each share of false alarms: the curve, read at those points."""
    from sklearn.metrics import roc_curve

    share, found, _ = roc_curve(*_together(odd, usual))
    return np.interp(false_alarms, share, found).tolist()


def auroc_on_resamples(odd: Tensor, usual: Tensor, odd_counts: Tensor, usual_counts: Tensor) -> Tensor:
    """AUROC on R resamples, given how often each image is drawn, [R, m] and [R, n]: float64 [R]."""
    ordered, order = usual.sort()
    up_to = torch.nn.functional.pad(usual_counts[:, order].cumsum(1), (1, 0))  # [R, n + 1]
    lower, not_higher = (up_to[:, torch.searchsorted(ordered, odd, right=right)] for right in (False, True))
    passed = (odd_counts * (lower + not_higher) / 2).sum(1)
    return passed / (odd_counts.sum(1) * usual_counts.sum(1))


def _together(odd: Tensor, usual: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Labels (1 is odd) and scores."""
    return np.repeat([1, 0], [len(odd), len(usual)]), torch.cat([odd, usual]).numpy()
