"""Disentanglement, completeness and informativeness (DCI; Eastwood & Williams 2018, openreview By-7dz-AZ).

For each factor k, an ensemble of trees predicts its value from the code; R_dk ≥ 0 is the importance of dimension d.

    disentanglement   Σ_d (R_d· / R_··) (1 − H_F(R_d· / ΣR_d·))     Does each dimension predict one factor only?
    completeness      Σ_k (R_·k / R_··) (1 − H_D(R_·k / ΣR_·k))     Is each factor predicted by one dimension only?
    informativeness   mean accuracy on new images                   Can the factors be predicted at all?

H_n is the entropy with logarithms to base n, so all three lie in [0, 1]. The paper uses lasso and random forests and
reports informativeness as an error. Gradient boosted trees and the accuracy have been the convention since Locatello et
al. 2019 (arXiv 1811.12359).
"""

from typing import Literal

import numpy as np
from pydantic import PositiveInt

from vae_lab.metrics.common.factor_codes import CodesAndFactors, Points, factor_codes
from vae_lab.scores import Scores, Trained

Trees = Literal["boosted", "forest"]
_ALMOST_NOTHING = 1e-11  # added to importances, so that the entropy of an unused dimension is defined


class DCI:
    """Disentanglement, completeness and informativeness of posterior means.

    Args:
        train, test: number of sampled images that train the trees, and of images that evaluate them.
        trees: 'boosted' is the convention: 100 rounds of depth 3, with one tree per value of the factor in each round,
            which takes minutes for the 113 values of dSprites. 'forest', 100 trees of any depth, takes seconds and
            gives other values.
        jobs: number of factors to learn in parallel, each in its own thread.
    """

    topic = "Factors in the codes"
    needs = ("factors",)

    def __init__(
        self, train: Points = 10_000, test: Points = 5000, trees: Trees = "boosted", jobs: PositiveInt = 1
    ) -> None:
        self.train, self.test, self.trees, self.jobs = train, test, trees, jobs

    def __call__(self, trained: Trained) -> Scores:
        """Return the three scores as ``dci_…``; only a note if codes are not finite."""
        grid, notes = factor_codes(trained, "dci")
        if grid is None:
            return Scores({}, notes=notes)
        noise = trained.noise("dci")
        train, test = (grid.sample(noise, n) for n in (self.train, self.test))
        importance, accuracy = self.learn(trained, train, test)
        values = {
            "dci_disentanglement": weighted_certainty(importance),
            "dci_completeness": weighted_certainty(importance.T),
            "dci_informativeness": float(accuracy.mean()),
        }
        protocol = {
            **grid.about,
            "train_points": self.train,
            "test_points": self.test,
            "trees": _NAMES[self.trees],
            "informativeness": "mean accuracy over factors",
        }
        arrays = {"dci_importance": importance.tolist(), "dci_accuracy_per_factor": accuracy.tolist()}
        return Scores(values, {"dci": protocol}, arrays, notes, meanings=_MEANINGS)

    def learn(self, trained: Trained, train: CodesAndFactors, test: CodesAndFactors) -> tuple[np.ndarray, np.ndarray]:
        """Train one ensemble per factor and return importances [D, F] and accuracies [F]."""
        from joblib import Parallel, delayed

        # Factors with many values take longest, so they start first.
        factors = sorted(range(train[1].shape[1]), key=lambda k: -len(np.unique(train[1][:, k])))
        learnt = Parallel(self.jobs, prefer="threads", return_as="generator")(
            delayed(importance_and_accuracy)(self.trees, trained.seed, train[0], train[1][:, k], test[0], test[1][:, k])
            for k in factors
        )
        shown = trained.progress(factors, f"DCI: {_NAMES[self.trees]}, one factor each")
        by_factor = {k: next(learnt) for k in shown}
        importances, accuracies = zip(*(by_factor[k] for k in sorted(by_factor)))
        return np.stack(importances, 1), np.array(accuracies)


def importance_and_accuracy(
    trees: Trees, seed: int, z: np.ndarray, v: np.ndarray, z_new: np.ndarray, v_new: np.ndarray
) -> tuple[np.ndarray, float]:
    """Train on codes z [n, D] and the values v [n] of one factor.

    Returns the importance of each dimension [D] and the accuracy on new codes and values.
    """
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

    kind = GradientBoostingClassifier if trees == "boosted" else RandomForestClassifier
    model = kind(n_estimators=100, random_state=seed).fit(z, v)
    return model.feature_importances_, model.score(z_new, v_new)


def weighted_certainty(importance: np.ndarray) -> float:
    """Return the mean over rows of [N, M] of 1 − entropy (base M), weighted by each row's share of the total.

    It is 0 if nothing is important, and 1 if rows have a single entry, which leaves no uncertainty.
    """
    from scipy.stats import entropy

    if importance.sum() == 0:
        return 0.0
    if importance.shape[1] == 1:
        return 1.0
    certainty = 1 - entropy(importance + _ALMOST_NOTHING, base=importance.shape[1], axis=1)
    return float((certainty * importance.sum(1)).sum() / importance.sum())


_NAMES = {"boosted": "gradient boosted trees, 100 rounds, depth 3", "forest": "random forest, 100 trees"}
_MEANINGS = {
    "dci_disentanglement": "0 to 1, higher is better",
    "dci_completeness": "0 to 1, higher is better",
    "dci_informativeness": "mean accuracy of predicting a factor, higher is better",
}
