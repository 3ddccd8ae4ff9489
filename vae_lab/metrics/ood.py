"""Out-of-distribution (OOD) detection: do the model's scores distinguish images of other kinds from test images?

The AUROC is computed for several scores, each higher for more anomalous images: −ELBO, recon and KL (for an
autoencoder, recon alone), or those that ``scores=`` names (:mod:`vae_lab.metrics.anomaly_scores`). A VAE may assign
*higher* likelihoods to other images than to those it was trained on (Nalisnick et al. 2019, arXiv 1810.09136); the
AUROC is then below ½. The other kinds are uniform noise; Gaussian noise with the mean and σ of the test images' values;
the test images rotated by 180°; and test images of another dataset of the same shape, if its files are present. Where a
model was trained on some classes only (``dataset.keep``, ``dataset=mvtec``), the normal images are the test images of
these classes, and the test images of all other classes are a further kind, ``other_classes``.

The table ``ood.csv`` also has the AUPR both ways and the false alarms at 95 % detection
(:mod:`vae_lab.metrics.common.detection`) of every kind and score.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.anomaly_scores.judged import AnomalyScore, Judged, finite
from vae_lab.metrics.anomaly_scores.terms import KL, NegativeELBO, Recon
from vae_lab.metrics.common.auroc import auroc_on_resamples, roc
from vae_lab.metrics.common.detection import detection
from vae_lab.metrics.common.foreign_images import ForeignImages
from vae_lab.metrics.common.resampling import bootstrap_protocol, interval, resamples
from vae_lab.scores import Scores, Trained

FALSE_ALARMS = np.linspace(0, 1, 101)  # false-alarm rates at which the ROC curves are stored


class OOD:
    """AUROC between test images and as many images of each other kind.

    Args:
        images: number of images of each kind, a fixed random choice; null: as many as there are test images.
        samples: number of draws of z per image of the scores −ELBO, recon and KL, where ``scores`` is None.
        bootstrap: number of resamples for the intervals.
        others: name -> source of another dataset; the first one whose files are present and whose images have the shape
            of the test images is used.
        scores: name -> anomaly score; None: elbo, recon and kl, as far as the model has them.
        kinds: the kinds of other images; None: all that suit the model.
    """

    topic = "Robustness"
    needs = ("images",)

    def __init__(
        self,
        images: PositiveInt | None = None,
        samples: PositiveInt = 4,
        bootstrap: PositiveInt = 100,
        others: Mapping[str, Any] | None = None,
        scores: Mapping[str, Any] | None = None,
        kinds: Sequence[str] | None = None,
    ) -> None:
        self.images, self.samples, self.bootstrap, self.others = images, samples, bootstrap, others or {}
        self.scores: Mapping[str, AnomalyScore] = dict(scores or {}) or {
            "elbo": NegativeELBO(samples), "recon": Recon(samples), "kl": KL(samples)
        }  # fmt: skip
        self.named, self.kinds = bool(scores), kinds

    def __call__(self, trained: Trained) -> Scores:
        """Return ``ood_auroc_<kind>_<score>`` with intervals, the ROC curves at 101 false-alarm rates, and a table."""
        n = min(self.images or len(trained.data.test), len(trained.data.test))
        foreign = ForeignImages(trained, n, self.others, self.kinds)
        chosen, refused = self._chosen(trained)
        found: dict[str, dict[str, Tensor]] = {}
        for kind in ("test", *foreign.kinds):
            judged = Judged(partial(foreign.batches, kind), f"ood {kind}", foreign.y)
            found[kind] = {name: finite(score(trained, judged)) for name, score in chosen.items()}
        normal = trained.data.normal
        protocol = {
            "images": n,
            "split": "test",
            "latent_samples": self.samples if trained.objective.variational else "the posterior's mean",
            "uniform": "U[0, 1) per value",
            "gaussian": {"mean": foreign.mean, "sigma": foreign.sigma, "clamped": "to [0, 1]"},
            "rotated": "the test images turned by 180°; what is symmetric (the digits 0, 1, 8) hardly changes",
            "other": foreign.other,
            **({"normal": [trained.data.classes[i] for i in normal]} if normal else {}),
            "likelihood": type(trained.model.likelihood).__name__,
            **({"scores": {name: score.about for name, score in chosen.items()}} if self.named else {}),
            "interval": bootstrap_protocol(self.bootstrap, "images of both kinds (turned ones with their originals)"),
            "seed": trained.seed,
        }
        scores = Scores({}, {"ood": protocol}, {"ood_roc": []}, [*foreign.notes, *refused], tables={"ood": {}})
        inliers = found.pop("test")
        for kind, outliers in found.items():
            self._compare(kind, outliers, inliers, trained.seed, scores)
        return scores

    def _chosen(self, trained: Trained) -> tuple[dict[str, AnomalyScore], list[str]]:
        """The scores that make sense for this model, ready to be called; and why others do not, if they were named."""
        reasons = {name: trained.lacks(score) for name, score in self.scores.items()}
        chosen = {name: score for name, score in self.scores.items() if not reasons[name]}
        for score in chosen.values():
            score.fit(trained)
        return chosen, [f"No ood_auroc by {name}: {why}." for name, why in reasons.items() if why and self.named]

    def _compare(
        self, kind: str, outliers: Mapping[str, Tensor], inliers: Mapping[str, Tensor], seed: int, scores: Scores
    ) -> None:
        """Add the AUROC of each score, its interval, its ROC curve and its row of the table to ``scores``."""
        curves: dict[str, list[float]] = {}
        for score, of_outliers in outliers.items():
            name, of_inliers = f"ood_auroc_{kind}_{score}", inliers[score]
            counts = resamples(len(of_inliers), self.bootstrap, seed)
            # Rotated images are resampled together with their originals.
            own_counts = counts if kind == "rotated" else resamples(len(of_outliers), self.bootstrap, seed + 1)
            rates = detection(of_outliers, of_inliers)
            scores.values[name] = rates["auroc"]
            replicates = auroc_on_resamples(of_outliers, of_inliers, own_counts, counts)
            scores.intervals[name] = interval(scores.values[name], replicates, high=1.0)
            scores.meanings[name] = _MEANING.format(_named(self.scores[score]), _KINDS.get(kind, kind))
            curves[score] = roc(of_outliers, of_inliers, FALSE_ALARMS)
            row = {"kind": kind, "score": score, **rates, "anomalies": len(of_outliers), "normal": len(of_inliers)}
            for column, value in row.items():
                scores.tables["ood"].setdefault(column, []).append(value)
        labels = {score: _named(self.scores[score]) for score in curves}
        scores.arrays["ood_roc"].append({"kind": kind, "found": curves, "labels": labels})


_MEANING = "AUROC by {} of {} against test images; 0.5 is blind"
_KINDS = {"uniform": "uniform noise", "gaussian": "Gaussian noise", "rotated": "turned images",
          "other_classes": "images of other classes"}  # fmt: skip


def _named(score: AnomalyScore) -> str:
    """The name of a score without its unit."""
    return score.label.rpartition(", ")[0]
