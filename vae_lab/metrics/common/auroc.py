"""The area under the ROC curve (AUROC), and its values on bootstrap resamples.

AUROC = P(score of an outlier > score of an inlier) + ½ P(equal) (Hanley & McNeil 1982). It is 1 if the scores separate
outliers from inliers perfectly, ½ if they carry no information, and below ½ if inliers tend to have the higher scores.
"""

import numpy as np
import torch
from torch import Tensor


def auroc(outliers: Tensor, inliers: Tensor) -> float:
    """Return the AUROC from the scores of outliers [m] and of inliers [n]."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*_labels_and_scores(outliers, inliers)))


def roc(outliers: Tensor, inliers: Tensor, false_alarms: np.ndarray) -> list[float]:
    """Return points of the ROC curve: the share of outliers detected at each of the given false-alarm rates."""
    from sklearn.metrics import roc_curve

    false_positive_rate, true_positive_rate, _ = roc_curve(*_labels_and_scores(outliers, inliers))
    return np.interp(false_alarms, false_positive_rate, true_positive_rate).tolist()


def auroc_on_resamples(outliers: Tensor, inliers: Tensor, outlier_counts: Tensor, inlier_counts: Tensor) -> Tensor:
    """Return the AUROC on each of R resamples: float64 [R].

    Args:
        outliers, inliers: scores [m] and [n].
        outlier_counts, inlier_counts: how often each resample contains each score, [R, m] and [R, n].
    """
    ordered, order = inliers.sort()
    up_to = torch.nn.functional.pad(inlier_counts[:, order].cumsum(1), (1, 0))  # [R, n + 1]
    lower, not_higher = (up_to[:, torch.searchsorted(ordered, outliers, right=right)] for right in (False, True))
    passed = (outlier_counts * (lower + not_higher) / 2).sum(1)
    return passed / (outlier_counts.sum(1) * inlier_counts.sum(1))


def _labels_and_scores(outliers: Tensor, inliers: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Labels (1 for outliers, 0 for inliers) and scores, both [m + n]."""
    return np.repeat([1, 0], [len(outliers), len(inliers)]), torch.cat([outliers, inliers]).numpy()
