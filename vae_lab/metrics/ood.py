"""Out-of-distribution (OOD) detection: do the model's scores distinguish images of other kinds from test images?

The AUROC is computed for three scores, each higher for more anomalous images: −ELBO, recon and KL (for an autoencoder,
recon alone). A VAE may assign *higher* likelihoods to other images than to those it was trained on (Nalisnick et al.
2019, arXiv 1810.09136); the AUROC is then below ½. The other kinds are uniform noise; Gaussian noise with the mean and
σ of the test images' values; the test images rotated by 180°; and test images of another dataset of the same shape, if
its files are present.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.examples import Examples
from vae_lab.functional import noised
from vae_lab.metrics.common.auroc import auroc, auroc_on_resamples, roc
from vae_lab.metrics.common.image_terms import ImageTerms, image_terms
from vae_lab.metrics.common.resampling import bootstrap_protocol, interval, resamples
from vae_lab.noise import generator
from vae_lab.scores import Scores, Trained

FALSE_ALARMS = np.linspace(0, 1, 101)  # false-alarm rates at which the ROC curves are stored


class OOD:
    """AUROC between test images and as many images of each other kind.

    Args:
        images: number of images of each kind, a fixed random choice; null: as many as there are test images.
        samples: number of draws of z per image.
        bootstrap: number of resamples for the intervals.
        others: name -> source of another dataset; the first one whose files are present and whose images have the shape
            of the test images is used.
    """

    topic = "Robustness"
    needs = ("images",)

    def __init__(
        self,
        images: PositiveInt | None = None,
        samples: PositiveInt = 4,
        bootstrap: PositiveInt = 100,
        others: Mapping[str, Any] | None = None,
    ) -> None:
        self.images, self.samples, self.bootstrap, self.others = images, samples, bootstrap, others or {}

    def __call__(self, trained: Trained) -> Scores:
        """Return ``ood_auroc_<kind>_<score>`` with intervals, and the ROC curves at 101 false-alarm rates."""
        n = min(self.images or len(trained.data.test), len(trained.data.test))
        mean, std = _moments(trained, n)
        name, other, notes = self._another(trained)
        kinds = ["uniform", "gaussian", "rotated", *([name] if name else [])]
        y = None
        if trained.model.conditional:
            name, kinds, notes = None, ["rotated"], [_NO_LABELS]
            y = torch.cat([batch.y for batch in trained.data.batches("test", n) if batch.y is not None])
        terms = {
            kind: image_terms(trained, self._images(trained, kind, n, mean, std, other), f"ood {kind}", self.samples, y)
            for kind in trained.progress(["test", *kinds], f"scoring {1 + len(kinds)} kinds of {n:,} images")
        }
        inliers = terms.pop("test")
        protocol = {
            "images": n,
            "split": "test",
            "latent_samples": self.samples if trained.objective.variational else "the posterior's mean",
            "uniform": "U[0, 1) per value",
            "gaussian": {"mean": mean, "sigma": std, "clamped": "to [0, 1]"},
            "rotated": "the test images turned by 180°; what is symmetric (the digits 0, 1, 8) hardly changes",
            "other": name,
            "likelihood": type(trained.model.likelihood).__name__,
            "interval": bootstrap_protocol(self.bootstrap, "images of both kinds (turned ones with their originals)"),
            "seed": trained.seed,
        }
        scores = Scores({}, {"ood": protocol}, {"ood_roc": []}, notes)
        for kind, outliers in terms.items():
            self._compare(kind, outliers, inliers, trained.seed, scores)
        return scores

    def _compare(self, kind: str, outliers: ImageTerms, inliers: ImageTerms, seed: int, scores: Scores) -> None:
        """Add the AUROC of each score, its interval and its ROC curve to ``scores``."""
        counts = resamples(len(inliers.recon), self.bootstrap, seed)
        # Rotated images are resampled together with their originals.
        outlier_counts = counts if kind == "rotated" else resamples(len(outliers.recon), self.bootstrap, seed + 1)
        curves: dict[str, list[float]] = {}
        for score, of_outliers in outliers.by_name.items():
            name, of_inliers = f"ood_auroc_{kind}_{score}", inliers.by_name[score]
            scores.values[name] = auroc(of_outliers, of_inliers)
            replicates = auroc_on_resamples(of_outliers, of_inliers, outlier_counts, counts)
            scores.intervals[name] = interval(scores.values[name], replicates, high=1.0)
            scores.meanings[name] = _MEANING.format(_BY[score], _KINDS.get(kind, kind))
            curves[score] = roc(of_outliers, of_inliers, FALSE_ALARMS)
        scores.arrays["ood_roc"].append({"kind": kind, "found": curves})

    def _images(
        self, trained: Trained, kind: str, n: int, mean: float, std: float, other: Examples | None
    ) -> Iterator[Tensor]:
        """Yield n images of a kind in batches, as the model receives them."""
        noise = trained.noise(f"ood images {kind}")
        if kind not in ("test", "uniform", "gaussian", "rotated"):
            assert other is not None
            order = torch.randperm(len(other), generator=generator("cpu", trained.seed, "ood", kind))
            for index in order[:n].split(1000):
                yield trained.data.as_received(other.at(index)[0].to(trained.device).float() / 255, noise)
            return
        for batch in trained.data.batches("test", n):
            if kind == "uniform":
                yield trained.data.as_received(noise.uniform(*batch.x.shape), noise)
            elif kind == "gaussian":
                grey = noised(torch.full_like(batch.x, mean), std, noise.normal(*batch.x.shape))
                yield trained.data.as_received(grey, noise)
            else:
                yield batch.x if kind == "test" else batch.x.rot90(2, (2, 3))

    def _another(self, trained: Trained) -> tuple[str | None, Examples | None, list[str]]:
        """The name and images of the first other dataset that is present and has the same shape; notes if none is."""
        shape, problems = tuple(trained.data.x_shape), []
        candidates = {k: source for k, source in self.others.items() if source and k != trained.data.name}
        for name, source in candidates.items():
            try:
                images = source.present(trained.data.root)
            except UserError as why:
                problems.append(f"{why}.")
                continue
            if images is not None and tuple(images.stored.shape[1:]) == shape:
                return name, images, []
        size = "×".join(map(str, shape))
        missing = f"No ood_auroc of another dataset: none of {', '.join(candidates) or '(none named)'} lies in "
        return None, None, [f"{missing}{trained.data.root} with images of {size}; this metric downloads nothing.",
                            *problems]  # fmt: skip


_NO_LABELS = (
    "No ood_auroc of noise and of other datasets: a conditional model scores an image given its label, and these "
    "images have none."
)
_MEANING = "AUROC by {} of {} against test images; 0.5 is blind"
_KINDS = {"uniform": "uniform noise", "gaussian": "Gaussian noise", "rotated": "turned images"}
_BY = {"elbo": "−ELBO", "recon": "recon", "kl": "KL"}


def _moments(trained: Trained, n: int) -> tuple[float, float]:
    """Mean and standard deviation of the values of n test images."""
    total, square, count = 0.0, 0.0, 0
    for images in trained.data.clean("test", n):
        total, square = total + images.double().sum().item(), square + images.double().square().sum().item()
        count += images.numel()
    mean = total / count
    return mean, max(0.0, square / count - mean**2) ** 0.5
