"""The mutual information gap (MIG; Chen et al. 2018, arXiv 1802.04942, section 4.1).

MIG = (1/F) Σ_k (I(z_a; v_k) − I(z_b; v_k)) / H(v_k), where a and b are the two dimensions with the most information
about factor k. It is 1 if each factor can be read from one dimension and from no other, and 0 if two dimensions are
equally informative. As a ratio of nats it has no unit. The paper integrates over q(z|x). Here I is the mutual
information with posterior means in bins of equal width from the smallest to the largest code, as in Locatello et al.
2019 (arXiv 1811.12359). The two definitions give different values.
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge

from vae_lab.metrics.common.factor_codes import Points, factor_codes
from vae_lab.scores import Scores, Trained


class MIG:
    """The mutual information gap of posterior means.

    Args:
        points: number of sampled images.
        bins: number of bins of each dimension.
    """

    topic = "Factors in the codes"
    needs = ("factors",)

    def __init__(self, points: Points = 10_000, bins: Annotated[int, Ge(2)] = 20) -> None:
        self.points, self.bins = points, bins

    def __call__(self, trained: Trained) -> Scores:
        """Return ``mig`` and the gap of each factor; only a note if codes are not finite."""
        grid, notes = factor_codes(trained, "mig")
        if grid is None:
            return Scores({}, notes=notes)
        codes, values = grid.sample(trained.noise("mig"), self.points)
        gaps = information_gaps(codes, values, self.bins)
        protocol = {**grid.about, "points": self.points, "bins": self.bins, "estimator": "histogram of posterior means"}
        meanings = {"mig": "share of a factor's entropy, 0 to 1, higher is better"}
        return Scores({"mig": float(gaps.mean())}, {"mig": protocol}, {"mig_per_factor": gaps.tolist()}, notes,
                      meanings=meanings)  # fmt: skip


def information_gaps(codes: np.ndarray, values: np.ndarray, bins: int) -> np.ndarray:
    """Return (I_first − I_second) / H of each factor: [F].

    Args:
        codes: [n, D]; if D is 1, I_second is 0.
        values: factor values [n, F].
        bins: number of bins of each dimension.
    """
    from sklearn.metrics import mutual_info_score

    # In float64, in which there are edges between all codes that differ in float32.
    binned = [np.digitize(z, np.histogram_bin_edges(z, bins)[:-1]) for z in codes.T.astype(np.float64)]
    information = np.array([[mutual_info_score(v, z) for z in (*binned, np.zeros(len(v)))] for v in values.T])
    entropy = np.array([mutual_info_score(v, v) for v in values.T])
    ordered = np.sort(information, axis=1)
    return (ordered[:, -1] - ordered[:, -2]) / entropy
