"""How well labels can be predicted from codes: a linear probe and nearest neighbours on posterior means.

The accuracy is the share of test examples whose label is predicted correctly. The classifiers are trained on the codes
of training examples, with all their labels and with a few, and do not train the encoder (Alain & Bengio 2016, arXiv
1610.01644).
"""

import math
import warnings
from typing import Protocol

import numpy as np
import sklearn
from pydantic import PositiveInt
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vae_lab.metrics.common.resampling import wilson
from vae_lab.noise import generator
from vae_lab.scores import Scores, Trained

LabelledCodes = tuple[np.ndarray, np.ndarray]  # codes [N, D] float32, labels [N]


class Classifier(Protocol):
    """A classifier with the interface of scikit-learn."""

    def fit(self, codes: np.ndarray, labels: np.ndarray, /) -> "Classifier":
        """Train on codes [N, D] and labels [N]; returns itself."""

    def score(self, codes: np.ndarray, labels: np.ndarray, /) -> float:
        """The accuracy on codes [N, D] and labels [N]."""


class Probe:
    """Logistic regression on standardised codes, and k nearest neighbours on the codes as they are.

    Args:
        train_images: largest number of training examples to learn from, a fixed random choice; it bounds the time.
        labels_per_class: for the scores whose names end in ``_few``.
        draws: number of random choices of these few labels; the score is the mean over them.
        neighbours: k; reduced if there are fewer codes.
        max_iter: largest number of L-BFGS steps of the logistic regression.
    """

    topic = "Classes in the codes"
    needs = ("labels",)

    def __init__(
        self,
        train_images: PositiveInt = 100_000,
        labels_per_class: PositiveInt = 10,
        draws: PositiveInt = 5,
        neighbours: PositiveInt = 5,
        max_iter: PositiveInt = 200,
    ) -> None:
        self.train_images, self.labels_per_class, self.draws = train_images, labels_per_class, draws
        self.neighbours, self.max_iter = neighbours, max_iter

    def __call__(self, trained: Trained) -> Scores:
        """Return ``probe_accuracy`` and ``knn_accuracy``, each with all labels and with few."""
        train = _codes(trained, "train", min(self.train_images, len(trained.data.train)))
        test = _codes(trained, "test", None)
        counts = np.unique(train[1], return_counts=True)[1]
        if len(counts) < 2:
            return Scores({}, notes=["No probe_accuracy: the training examples are all of one class."])
        few = self._few_indices(train[1], trained.seed) if counts.min() >= self.labels_per_class else []
        steps = iter(trained.progress(range(2 * (1 + len(few))), f"classifiers on {len(train[0]):,} codes"))
        values: dict[str, float] = {}
        intervals, arrays = {}, {}
        for name, make in (("probe", self._regression), ("knn", self._nearest)):
            next(steps)
            values[f"{name}_accuracy"] = accuracy = _accuracy(make(len(train[0])), train, test)
            intervals[f"{name}_accuracy"] = wilson(accuracy, len(test[0]))
            with_few = [_accuracy(make(len(at)), (train[0][at], train[1][at]), test) for at, _ in zip(few, steps)]
            if with_few:
                values[f"{name}_accuracy_few"] = float(np.mean(with_few))
                arrays[f"{name}_accuracy_few_draws"] = with_few
            if len(with_few) > 1:
                intervals[f"{name}_accuracy_few"] = over_draws(with_few)
        next(steps, None)
        reason = f"the rarest of {len(counts)} classes has {counts.min()} labels, fewer than {self.labels_per_class}."
        notes = [] if few else [f"No probe_accuracy_few: {reason}"]
        meanings = {name: text for name, text in _MEANINGS.items() if name in values}
        return Scores(values, {"probe": self._protocol(trained, train, test)}, arrays, notes, intervals, meanings)

    def _regression(self, n: int) -> Classifier:
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=self.max_iter))

    def _nearest(self, n: int) -> Classifier:
        # Brute force, because search trees are slower above ten dimensions.
        return KNeighborsClassifier(min(self.neighbours, n), algorithm="brute")

    def _few_indices(self, labels: np.ndarray, seed: int) -> list[np.ndarray]:
        """For each draw, the indices of ``labels_per_class`` examples of each class."""
        rng = np.random.default_rng(generator("cpu", seed, "probe").initial_seed())
        classes = [np.flatnonzero(labels == c) for c in np.unique(labels)]
        return [
            np.concatenate([rng.choice(indices, self.labels_per_class, replace=False) for indices in classes])
            for _ in range(self.draws)
        ]

    def _protocol(self, trained: Trained, train: LabelledCodes, test: LabelledCodes) -> dict[str, object]:
        return {
            "codes": f"posterior means, {train[0].shape[1]} dimensions, float32",
            "train_images": len(train[0]),
            "test_images": len(test[0]),
            "probe": f"logistic regression on standardised codes, L2 with C=1, at most {self.max_iter} L-BFGS steps",
            "knn": f"{self.neighbours} nearest, Euclidean, codes not standardised",
            "labels_per_class_few": self.labels_per_class,
            "draws_few": self.draws,
            "intervals": f"all labels: Wilson over test {trained.data.values.many}; few: Student's t over the draws",
            "seed": trained.seed,
            "software": f"scikit-learn {sklearn.__version__}",
        }


_MEANINGS = {
    "probe_accuracy": "of a linear classifier on codes, higher is better",
    "probe_accuracy_few": "the same with few labels, mean over draws",
    "knn_accuracy": "of nearest neighbours on codes, higher is better",
    "knn_accuracy_few": "the same with few labels, mean over draws",
}


def over_draws(values: list[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean over draws of the few labels: mean ± t · sd / √draws."""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def _codes(trained: Trained, split: str, n: int | None) -> LabelledCodes:
    q, labels = trained.codes(split, n)
    assert labels is not None
    return q.mu.float().numpy(), labels.numpy()


def _accuracy(classifier: Classifier, train: LabelledCodes, test: LabelledCodes) -> float:
    with warnings.catch_warnings():
        # Reaching max_iter is not a fault: the limit is part of the protocol.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(classifier.fit(*train).score(*test))
