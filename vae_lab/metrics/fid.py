"""Fréchet inception distance (FID; Heusel et al. 2017, arXiv 1706.08500, equation 6).

FID = ‖μ1 − μ2‖² + tr(Σ1 + Σ2 − 2 (Σ1 Σ2)^½) in float64, where tr (Σ1 Σ2)^½ = Σ_i √λ_i over the eigenvalues of the
symmetric matrix Σ2^½ Σ1 Σ2^½. A finite number n of images makes it larger by about c/n. ``fid_infinity`` removes this
bias: a line is fitted over 1/n to the FID of ever smaller parts of the images, and its value at 1/n = 0 is reported
(Chong & Forsyth 2020, arXiv 1911.07023, section 4, where z is quasi-random). The FID of reconstructions and that of
training images, the floor, are reported as well.

The floor is usually more than sampling error: a network that was trained on the training images gives them features
that differ a little from those of test images. ``fid_split_floor`` is what sampling error alone gives
(:func:`split_floor`). With MNIST's classifier and 10,000 images it is 0.84, and the floor is 1.71. Where there is no
such shift, both estimate the same error, and either may be the larger one.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from vae_lab.metrics.common.image_scores import ImageMetric, ImageScores, extractor_of, images_compared, require_finite
from vae_lab.metrics.common.resampling import bootstrap_protocol, resamples
from vae_lab.noise import generator
from vae_lab.scores import Extractor, Generated, Scores

POINTS = 10  # largest number of points on the line over 1/n
PER_FEATURE = 2  # smallest number of images per feature in a part
WIDE = 512  # with more features, a resample takes long enough to show progress
SPLITS = 10  # divisions of the test images into halves; with many features one, which varies less


class FID(ImageMetric):
    """FID of samples, reconstructions and training images to the test images."""

    topic = "Samples"

    def least(self, extractor: Extractor) -> int:
        """One more than there are features, because the covariance of fewer images is singular."""
        return extractor.num_features + 1

    def __call__(self, generated: Generated) -> Scores:
        """Return ``fid`` and ``fid_infinity`` with floors, ``fid_split_floor`` and ``fid_reconstructions``.

        Too few images give a note instead.
        """
        extractor, n = extractor_of(generated), images_compared(generated, self.samples)
        if n < self.least(extractor):
            width = extractor.num_features
            return Scores({}, notes=[f"No FID: {n} images are too few for a covariance of {width} features."])
        enough = images_for_a_line(extractor.num_features)
        line = {"infinity": _LINE} if n >= enough else {}
        more = {**line, "floor": _FLOOR.format(n) + (_SPLIT_FLOOR if line else "")}
        results = ImageScores("fid", generated, extractor, n, bootstrap=bootstrap_protocol(self.bootstrap), **more)
        if not line:
            results.scores.notes.append(f"No fid_infinity: {n} images are too few to extrapolate; {enough} are needed.")
        real = generated.features("test", n)
        reference = Reference(real)
        for source, floor in results.sources:
            features = generated.features(source, n)
            value, on_resamples = self._with_resamples(generated, source, features, reference)
            results.put("fid", value, on_resamples, "samples against test images, lower is better", floor)
            if line:
                limit = fid_infinity(features, reference, generated.seed)
                # The extrapolated value is taken to be as uncertain as the FID of all n images.
                results.put("fid_infinity", limit, on_resamples, "FID extrapolated to infinitely many samples", floor,
                            low=-float("inf"))  # fmt: skip
        if line:
            results.put_split_floor("fid", split_floor(real, generated.seed))
        if not hasattr(generated, "reconstruct"):
            return results.scores
        features = generated.features("reconstructions", n)
        value, on_resamples = self._with_resamples(generated, "reconstructions", features, reference)
        results.put("fid_reconstructions", value, on_resamples, "reconstructions against test images")
        if not generated.objective.matches_prior:  # type: ignore[attr-defined]
            results.scores.notes.append(_NO_PRIOR)
        return results.scores

    def _with_resamples(
        self, generated: Generated, source: str, features: Tensor, reference: "Reference"
    ) -> tuple[float, Tensor]:
        """The FID of all features and that of each resample, [R]."""
        counts = resamples(len(features), self.bootstrap, generated.seed)
        slow = features.shape[1] > WIDE
        steps = generated.progress(counts, f"bootstrap of the FID of {source}") if slow else counts
        return reference.distance(features), reference.distances(features, steps)


class Reference:
    """The mean and the root of the covariance of real images' features [N, F], with which other sets are compared.

    Raises:
        ValueError: a feature is NaN or infinite.
    """

    def __init__(self, features: Tensor) -> None:
        self.mean, self.covariance = moments(features)
        values, vectors = torch.linalg.eigh(self.covariance)
        self.root = vectors * values.clamp(min=0).sqrt() @ vectors.T
        self.trace = self.covariance.trace()

    def distance(self, features: Tensor) -> float:
        """The FID of features [n, F]."""
        return self._between(*moments(features))

    def distances(self, features: Tensor, counts: Iterable[Tensor]) -> Tensor:
        """The FID of R resamples of features: float64 [R].

        Args:
            features: [n, F].
            counts: for each resample, how often it contains each feature vector: [n], which sums to n.
        """
        mean = features.mean(0)
        centred = features - mean  # computed once, because it would take half of the time of every resample
        return torch.tensor([self._between(*resampled(mean, centred, row)) for row in counts], dtype=torch.float64)

    def _between(self, mean: Tensor, covariance: Tensor) -> float:
        """The FID of a set with this mean [F] and this covariance [F, F]."""
        shared = torch.linalg.eigvalsh(self.root @ covariance @ self.root).clamp(min=0).sqrt().sum()
        between_means = (mean - self.mean).square().sum()
        return (between_means + covariance.trace() + self.trace - 2 * shared).item()


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [F] and unbiased covariance [F, F], float64.

    Raises:
        ValueError: a feature is NaN or infinite.
    """
    require_finite(features)
    x = features.double()
    mean = x.mean(0)
    return mean, (x - mean).T @ (x - mean) / (len(x) - 1)


def resampled(mean: Tensor, centred: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The mean [F] and the covariance [F, F] of a resample of the features mean + centred, float64.

    Products are computed in the precision of the features, which is enough for the spread of the resamples.

    Args:
        mean: [F].
        centred: features less their mean, [n, F].
        counts: how often the resample contains each feature vector: [n], which sums to n.
    """
    n, weights = len(centred), counts.to(centred)
    shift = weights @ centred / n
    second = (centred * weights.unsqueeze(1)).T @ centred
    return (mean + shift).double(), (second.double() - n * torch.outer(shift, shift).double()) / (n - 1)


def frechet(a: Tensor, b: Tensor) -> float:
    """The FID between two sets of features, [N, F] and [M, F]."""
    return Reference(b).distance(a)


def split_floor(features: Tensor, seed: int) -> float:
    """Return the FID that two sets of n images of the same source have by sampling error alone, from features [n, F].

    The n images are divided into halves at random, whose mean FID d is over a few divisions. The FID of two sets of one
    source falls as 1/n, so that two sets of n images have d · (n/2)/n.

    Raises:
        ValueError: a feature is NaN or infinite.
    """
    n, half = len(features), len(features) // 2
    splits = 1 if features.shape[1] > WIDE else SPLITS
    draws = generator("cpu", seed, "fid_split_floor")
    pairs = [features[torch.randperm(n, generator=draws)].split(half)[:2] for _ in range(splits)]
    return float(np.mean([frechet(a, b) for a, b in pairs])) * half / n


def images_for_a_line(width: int) -> int:
    """The smallest number of images that ``fid_infinity`` needs: all of them and two halves of them define a line."""
    return 2 * PER_FEATURE * width


def fid_infinity(features: Tensor, reference: Reference, seed: int) -> float:
    """Return the intercept of the line fitted to FID over 1/n.

    Its points are the FID at n/k images for k = 1 … 10, each the mean over k disjoint parts. Every point uses all
    images, so that the points differ by the number of images alone and not by the choice of a subset.

    Raises:
        ValueError: fewer images than :func:`images_for_a_line`.
    """
    n, width = features.shape
    if n < images_for_a_line(width):
        raise ValueError(f"{n} images are too few; a line needs {images_for_a_line(width)}")
    shuffled = features[torch.randperm(n, generator=generator("cpu", seed, "fid_infinity"))]
    parts = [k for k in range(1, POINTS + 1) if n // k >= PER_FEATURE * width]
    values = [np.mean([reference.distance(part) for part in shuffled.tensor_split(k)]) for k in parts]
    return float(np.polyfit(np.array(parts) / n, values, 1)[1])


_LINE = (
    f"intercept of a line over 1/n through the FID of n/k images, k = 1 to {POINTS}, each the mean of k disjoint parts "
    f"of at least {PER_FEATURE} images per feature; the reference stays whole"
)
_FLOOR = (
    "{:,} training images in place of the generated ones: sampling error and the shift from training to test images"
)
_SPLIT_FLOOR = "; fid_split_floor is sampling error alone, half of the FID between halves of the test images"
_NO_PRIOR = (
    "This objective matches the codes to no prior, so samples from N(0, I), and with them fid and label_distance, say "
    "little about the model; fid_reconstructions does not depend on a prior."
)
