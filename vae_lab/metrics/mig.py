"""The mutual information gap (Chen et al. 2018, arXiv 1802.04942, section 4.1).

MIG = (1/F) Σ_k (I(z_a; v_k) − I(z_b; v_k)) / H(v_k), a and b being the two dimensions that tell most about factor k: 1
where each factor has a dimension of its own, 0 where two dimensions know equally much. In nats over nats, so without a
unit. The paper integrates over q(z|x); here I is that of posterior means in bins of equal width from the smallest to
the largest code, as in Locatello et al. 2019 (arXiv 1811.12359), and values of the two differ.
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge

from vae_lab.metrics.common.factor_codes import Points, factor_codes
from vae_lab.scores import Scores, Trained


class MIG:
    """On posterior means.

    Args:
        points: sampled images.
        bins: of each dimension.
    """

    needs = ("factors",)

    def __init__(self, points: Points = 10_000, bins: Annotated[int, Ge(2)] = 20) -> None:
        self.points, self.bins = points, bins

    def __call__(self, trained: Trained) -> Scores:
        """``mig`` and its gap for each factor; nothing, and a note why, where there are no factors."""
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
    """(I_first − I_second) / H of each factor [F]; a second dimension that is not there tells nothing."""
    from sklearn.metrics import mutual_info_score

    binned = [np.digitize(z, np.histogram_bin_edges(z, bins)[:-1]) for z in codes.T]
    told = np.array([[mutual_info_score(v, z) for z in (*binned, np.zeros(len(v)))] for v in values.T])
    entropy = np.array([mutual_info_score(v, v) for v in values.T])
    ordered = np.sort(told, axis=1)
    return (ordered[:, -1] - ordered[:, -2]) / entropy
