"""Fréchet inception distance (Heusel et al. 2017, arXiv 1706.08500, equation 6).

FID = ‖μ1 − μ2‖² + tr(Σ1 + Σ2 − 2 (Σ1 Σ2)^½) in float64, where tr (Σ1 Σ2)^½ = Σ_i √λ_i over the eigenvalues of the
symmetric matrix Σ2^½ Σ1 Σ2^½. A finite number n of images makes it larger by about c/n: ``fid_infinity`` is where a
line through the FID of ever smaller parts over 1/n meets 1/n = 0 (Chong & Forsyth 2020, arXiv 1911.07023, section 4;
there z is quasi-random). Beside the FID of samples stand that of reconstructions and the floor: training images.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from vae_lab.metrics.common.image_scores import ImageMetric, ImageScores, extractor_of, images_compared, require_finite
from vae_lab.metrics.common.resampling import bootstrap_protocol, resamples
from vae_lab.noise import generator
from vae_lab.scores import Extractor, Generated, Scores

POINTS = 10  # of the line over 1/n
PER_FEATURE = 2  # images that each part of the line needs at least
WIDE = 512  # features from which a resample takes long enough to show progress


class FID(ImageMetric):
    """Samples, reconstructions and training images against the test images."""

    def least(self, extractor: Extractor) -> int:
        """Fewer images make the covariance of the features singular."""
        return extractor.num_features + 1

    def __call__(self, made: Generated) -> Scores:
        """``fid``, ``fid_infinity`` with their floors, ``fid_reconstructions``; a note why, where it cannot be had."""
        extractor, n = extractor_of(made), images_compared(made, self.samples)
        if n < self.least(extractor):
            width = extractor.num_features
            return Scores({}, notes=[f"No FID: {n} images are too few for a covariance of {width} features."])
        enough = images_for_a_line(extractor.num_features)
        line = {"infinity": _LINE} if n >= enough else {}
        found = ImageScores("fid", made, extractor, n, bootstrap=bootstrap_protocol(self.bootstrap), **line)
        if not line:
            found.scores.notes.append(f"No fid_infinity: {n} images; a line over 1/n needs {enough}.")
        reference = Reference(made.features("test", n))
        for source, floor in found.sources:
            features = made.features(source, n)
            value, resampled = self._with_resamples(made, source, features, reference)
            found.put("fid", value, resampled, "samples against test images, lower is better", floor)
            if line:  # as uncertain as the value it starts from
                limit = fid_infinity(features, reference, made.seed)
                found.put("fid_infinity", limit, resampled, "FID extrapolated to infinitely many samples", floor,
                          low=-float("inf"))  # fmt: skip
        if not hasattr(made, "reconstruct"):
            return found.scores
        value, resampled = self._with_resamples(made, "reconstructions", made.features("reconstructions", n), reference)
        found.put("fid_reconstructions", value, resampled, "reconstructions against test images")
        if not made.objective.matches_prior:  # type: ignore[attr-defined]
            found.scores.notes.append(_NO_PRIOR)
        return found.scores

    def _with_resamples(
        self, made: Generated, source: str, features: Tensor, reference: "Reference"
    ) -> tuple[float, Tensor]:
        counts = resamples(len(features), self.bootstrap, made.seed)
        steps = made.progress(counts, f"bootstrap of the FID of {source}") if features.shape[1] > WIDE else counts
        return reference.distance(features), reference.distances(features, steps)


class Reference:
    """Mean and root of the covariance of real images' features [N, F], to measure many other sets against.

    Raises:
        ValueError: a feature is NaN or infinite.
    """

    def __init__(self, features: Tensor) -> None:
        self.mean, self.covariance = moments(features)
        values, vectors = torch.linalg.eigh(self.covariance)
        self.root = vectors * values.clamp(min=0).sqrt() @ vectors.T
        self.trace = self.covariance.trace()

    def distance(self, features: Tensor) -> float:
        """FID of features [n, F]."""
        return self._between(*moments(features))

    def distances(self, features: Tensor, counts: Iterable[Tensor]) -> Tensor:
        """FID of resamples of features [n, F], in each of which every one counts so many times [n], n in all: [R]."""
        mean = features.mean(0)
        apart = features - mean  # once for all: half of the time of a resample
        return torch.tensor([self._between(*resampled(mean, apart, row)) for row in counts], dtype=torch.float64)

    def _between(self, mean: Tensor, covariance: Tensor) -> float:
        """FID of a set with this mean [F] and this covariance [F, F]."""
        shared = torch.linalg.eigvalsh(self.root @ covariance @ self.root).clamp(min=0).sqrt().sum()
        apart = (mean - self.mean).square().sum()
        return (apart + covariance.trace() + self.trace - 2 * shared).item()


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [F] and unbiased covariance [F, F], float64.

    Raises:
        ValueError: a feature is NaN or infinite.
    """
    require_finite(features)
    x = features.double()
    mean = x.mean(0)
    return mean, (x - mean).T @ (x - mean) / (len(x) - 1)


def resampled(mean: Tensor, apart: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The moments of features mean [F] + apart [n, F], each counted so many times [n], n in all.

    Products are in the features' precision: what is wanted is a spread.
    """
    n, weights = len(apart), counts.to(apart)
    shift = weights @ apart / n
    second = (apart * weights.unsqueeze(1)).T @ apart
    return (mean + shift).double(), (second.double() - n * torch.outer(shift, shift).double()) / (n - 1)


def frechet(a: Tensor, b: Tensor) -> float:
    """FID between two sets of features [N, F]."""
    return Reference(b).distance(a)


def images_for_a_line(width: int) -> int:
    """Fewest images of so many features that ``fid_infinity`` can be had of: the whole and two halves make a line."""
    return 2 * PER_FEATURE * width


def fid_infinity(features: Tensor, reference: Reference, seed: int) -> float:
    """The intercept of a line through FID over 1/n: at n/k images for k = 1 … 10, each the mean of k disjoint parts.

    Every size sees all images, so that the line is bent by their number alone, not by the choice of a subset.

    Raises:
        ValueError: fewer images than :func:`images_for_a_line`.
    """
    n, width = features.shape
    if n < images_for_a_line(width):
        raise ValueError(f"{n} images; a line needs {images_for_a_line(width)}")
    mixed = features[torch.randperm(n, generator=generator("cpu", seed, "fid_infinity"))]
    parts = [k for k in range(1, POINTS + 1) if n // k >= PER_FEATURE * width]
    values = [np.mean([reference.distance(part) for part in mixed.tensor_split(k)]) for k in parts]
    return float(np.polyfit(np.array(parts) / n, values, 1)[1])


_LINE = (
    f"intercept of a line over 1/n through the FID of n/k images, k = 1 to {POINTS}, each the mean of k disjoint parts "
    f"of at least {PER_FEATURE} images per feature; the reference stays whole"
)
_NO_PRIOR = (
    "This objective ties the codes to no prior: samples from N(0, I), and so fid and label_distance, say little; "
    "fid_reconstructions does not depend on it."
)
