"""Disentanglement, completeness, informativeness (Eastwood & Williams 2018, openreview By-7dz-AZ).

One ensemble of trees per factor k predicts its value from the code; R_dk ≥ 0 is the importance of dimension d in it.

    disentanglement   Σ_d (R_d· / R_··) (1 − H_F(R_d· / ΣR_d·))     does a dimension serve one factor alone
    completeness      Σ_k (R_·k / R_··) (1 − H_D(R_·k / ΣR_·k))     is a factor told by one dimension alone
    informativeness   mean accuracy on new images                   is the factor told at all

H_n is the entropy with logarithms to base n, so all three lie in [0, 1]. The paper takes lasso and random forests and
gives informativeness as an error; gradient boosted trees and the accuracy are the convention since Locatello et al.
2019 (arXiv 1811.12359).
"""

from typing import Any, Literal

import numpy as np
from pydantic import PositiveInt

from vae_lab.metrics.common.factor_codes import Points, factor_codes
from vae_lab.scores import Scores, Trained

Trees = Literal["boosted", "forest"]
_ALMOST_NOTHING = 1e-11  # added to importances, so that those of an unused dimension have an entropy


class DCI:
    """On posterior means.

    Args:
        train, test: sampled images that the trees learn from, and those that they are scored on.
        trees: 'boosted' is the convention: 100 rounds of depth 3, one tree for each of a factor's values in each round,
            so minutes for dSprites' 113 values; 'forest', 100 trees of any depth, takes seconds and gives other values.
        jobs: factors learnt side by side, each in a thread of its own.
    """

    needs = ("factors",)

    def __init__(
        self, train: Points = 10_000, test: Points = 5000, trees: Trees = "boosted", jobs: PositiveInt = 1
    ) -> None:
        self.train, self.test, self.trees, self.jobs = train, test, trees, jobs

    def __call__(self, trained: Trained) -> Scores:
        """The three parts as ``dci_…``; nothing, and a note why, where there are no factors."""
        grid, notes = factor_codes(trained, "dci")
        if grid is None:
            return Scores({}, notes=notes)
        noise = trained.noise("dci")
        train, test = (grid.sample(noise, n) for n in (self.train, self.test))
        importance, right = self.learn(trained, train, test)
        values = {
            "dci_disentanglement": weighted_certainty(importance),
            "dci_completeness": weighted_certainty(importance.T),
            "dci_informativeness": float(right.mean()),
        }
        protocol = {
            **grid.about,
            "train_points": self.train,
            "test_points": self.test,
            "trees": _NAMES[self.trees],
            "informativeness": "mean accuracy over factors",
        }
        arrays = {"dci_importance": importance.tolist(), "dci_accuracy_per_factor": right.tolist()}
        return Scores(values, {"dci": protocol}, arrays, notes, meanings=_MEANINGS)

    def learn(self, trained: Trained, train: Any, test: Any) -> tuple[np.ndarray, np.ndarray]:
        """Importances [D, F] and accuracies [F]; factors with most values first, since they take longest."""
        from joblib import Parallel, delayed

        factors = sorted(range(train[1].shape[1]), key=lambda k: -len(np.unique(train[1][:, k])))
        learnt = Parallel(self.jobs, prefer="threads", return_as="generator")(
            delayed(told_by)(self.trees, trained.seed, train[0], train[1][:, k], test[0], test[1][:, k])
            for k in factors
        )
        shown = trained.progress(factors, f"DCI: {_NAMES[self.trees]}, one factor each")
        found = {k: next(learnt) for k in shown}
        importance, right = zip(*(found[k] for k in sorted(found)))
        return np.stack(importance, 1), np.array(right)


def told_by(trees: Trees, seed: int, z: np.ndarray, v: np.ndarray, z_new: np.ndarray, v_new: np.ndarray) -> Any:
    """Importance of each dimension [D] for one factor, and the accuracy on new images."""
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

    kind = GradientBoostingClassifier if trees == "boosted" else RandomForestClassifier
    model = kind(n_estimators=100, random_state=seed).fit(z, v)
    return model.feature_importances_, model.score(z_new, v_new)


def weighted_certainty(importance: np.ndarray) -> float:
    """1 − entropy of each row of [N, M], base M, weighted by the row's share of the whole.

    Zero where nothing is important; one for rows of a single entry, which leave nothing open.
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
