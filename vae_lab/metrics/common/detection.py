"""How well a score tells anomalies from normal examples: AUROC, AUPR both ways, and false alarms at 95 % detection.

The AUPR is the average precision, and depends on the share of anomalies; it is given with the anomalies as the positive
class (``aupr_out``) and with the normal examples as the positive class, for the negated score (``aupr_in``), as in
Hendrycks & Gimpel 2017 (arXiv 1610.02136). ``fpr95`` is the share of normal examples that raise a false alarm at the
highest threshold at which at least 95 % of the anomalies are detected (arXiv 1812.04606, where anomalies are positive).
"""

import numpy as np
import torch
from torch import Tensor

from vae_lab.metrics.common.auroc import auroc

DETECTED = 0.95  # share of the anomalies that ``fpr95`` asks for
MEANINGS = {
    "auroc": "AUROC; 1 is best, 0.5 is blind",
    "aupr_out": "average precision with the anomalies as positives, higher is better",
    "aupr_in": "average precision with the normal examples as positives, higher is better",
    "fpr95": "false alarms where 95 % of the anomalies are detected, lower is better",
}


def detection(outliers: Tensor, inliers: Tensor) -> dict[str, float]:
    """Return ``auroc``, ``aupr_out``, ``aupr_in`` and ``fpr95`` of the scores of outliers [m] and of inliers [n]."""
    return {
        "auroc": auroc(outliers, inliers),
        "aupr_out": average_precision(outliers, inliers),
        "aupr_in": average_precision(-inliers, -outliers),
        "fpr95": false_alarms_at(outliers, inliers, DETECTED),
    }


def average_precision(positives: Tensor, negatives: Tensor) -> float:
    """Return Σ_k (R_k − R_{k−1}) P_k over falling thresholds, with precision P and recall R of the positives."""
    from sklearn.metrics import average_precision_score

    labels = np.repeat([1, 0], [len(positives), len(negatives)])
    return float(average_precision_score(labels, torch.cat([positives, negatives]).numpy()))


def false_alarms_at(outliers: Tensor, inliers: Tensor, detected: float) -> float:
    """Return the share of inliers [n] that score at least as high as the threshold that detects a share of outliers."""
    needed = max(1, int(np.ceil(round(detected * len(outliers), 9))))
    threshold = outliers.sort(descending=True).values[needed - 1]
    return (inliers >= threshold).double().mean().item()
