"""Separated attribute predictability (SAP; Kumar et al. 2018, arXiv 1711.00848, section 3).

SAP = (1/F) Σ_k (S_ak − S_bk), where S_dk measures how well dimension d alone predicts factor k, and a and b are the two
best dimensions. It is 0 if two dimensions predict equally well. Factors are discrete here, so S_dk is the accuracy, on
new images, of a linear support vector machine (squared hinge loss, one-vs-rest, balanced class weights), as in the
paper.
"""

import numpy as np
from pydantic import PositiveFloat

from vae_lab.metrics.common.factor_codes import CodesAndFactors, Points, factor_codes
from vae_lab.scores import Scores, Trained


class SAP:
    """Separated attribute predictability of posterior means.

    Args:
        train, test: number of sampled images that train the classifiers, and of images that evaluate them.
        C: weight of the classifiers' loss relative to their margin.
    """

    topic = "Factors in the codes"
    needs = ("factors",)

    def __init__(self, train: Points = 10_000, test: Points = 5000, C: PositiveFloat = 0.01) -> None:
        self.train, self.test, self.C = train, test, C

    def __call__(self, trained: Trained) -> Scores:
        """Return ``sap`` and the gap of each factor; only a note if codes are not finite."""
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

    def accuracy(self, train: CodesAndFactors, test: CodesAndFactors, d: int, k: int) -> float:
        """Return the accuracy with which dimension d alone predicts the value of factor k."""
        from sklearn.svm import LinearSVC

        machine = LinearSVC(C=self.C, class_weight="balanced", dual=False)
        machine.fit(train[0][:, [d]], train[1][:, k])
        return float(machine.score(test[0][:, [d]], test[1][:, k]))


def separation(accuracies: np.ndarray) -> np.ndarray:
    """Return the best minus the second-best accuracy over dimensions (0 if there is no second): [D, F] to [F]."""
    ordered = np.sort(np.vstack([np.zeros_like(accuracies[:1]), accuracies]), axis=0)
    return ordered[-1] - ordered[-2]
