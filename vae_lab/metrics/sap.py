"""Separated attribute predictability (Kumar et al. 2018, arXiv 1711.00848, section 3).

SAP = (1/F) Σ_k (S_ak − S_bk), where S_dk is how well dimension d alone predicts factor k, a and b being the two best: 0
where two dimensions predict equally well. Factors are discrete here, so S_dk is the accuracy, on new images, of a
linear support vector machine (squared hinge, one against the rest, classes weighted to balance) as in the paper.
"""

from typing import Any

import numpy as np
from pydantic import PositiveFloat

from vae_lab.metrics.common.factor_codes import Points, factor_codes
from vae_lab.scores import Scores, Trained


class SAP:
    """On posterior means.

    Args:
        train, test: sampled images that the machines learn from, and those that they are scored on.
        C: weight of the machines' loss against their margin.
    """

    needs = ("factors",)

    def __init__(self, train: Points = 10_000, test: Points = 5000, C: PositiveFloat = 0.01) -> None:
        self.train, self.test, self.C = train, test, C

    def __call__(self, trained: Trained) -> Scores:
        """``sap`` and its gap for each factor; nothing, and a note why, where there are no factors."""
        grid, notes = factor_codes(trained, "sap")
        if grid is None:
            return Scores({}, notes=notes)
        noise = trained.noise("sap")
        train, test = (grid.sample(noise, n) for n in (self.train, self.test))
        pairs = [(d, k) for d in range(train[0].shape[1]) for k in range(len(grid.sizes))]
        right = [self.accuracy(train, test, d, k) for d, k in trained.progress(pairs, "SAP")]
        accuracies = np.reshape(right, (-1, len(grid.sizes)))  # [D, F]
        gaps = separation(accuracies)
        protocol = {
            **grid.about,
            "train_points": self.train,
            "test_points": self.test,
            "classifier": f"linear SVM, C={self.C:g}, balanced classes",
        }
        meanings = {"sap": "difference of accuracies, 0 to 1, higher is better"}
        return Scores({"sap": float(gaps.mean())}, {"sap": protocol}, {"sap_per_factor": gaps.tolist()}, notes,
                      meanings=meanings)  # fmt: skip

    def accuracy(self, train: Any, test: Any, d: int, k: int) -> float:
        """How often dimension d alone tells the value of factor k."""
        from sklearn.svm import LinearSVC

        machine = LinearSVC(C=self.C, class_weight="balanced", dual=False)
        machine.fit(train[0][:, [d]], train[1][:, k])
        return float(machine.score(test[0][:, [d]], test[1][:, k]))


def separation(accuracies: np.ndarray) -> np.ndarray:
    """Best minus second best over dimensions: [D, F] to [F]; an only dimension has no rival."""
    ordered = np.sort(np.vstack([np.zeros_like(accuracies[:1]), accuracies]), axis=0)
    return ordered[-1] - ordered[-2]
