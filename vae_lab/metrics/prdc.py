"""Precision, recall, density and coverage: fidelity and variety apart, by nearest neighbours in feature space.

With B(x) the ball around image x that reaches to its k-th nearest neighbour of its own kind:
precision = share of generated images in some B(real), recall = share of real images in some B(generated)
(Kynkäänniemi et al. 2019, arXiv 1904.06991); density = (1/k) mean number of B(real) that a generated image lies in,
coverage = share of B(real) with a generated image in it (Naeem et al. 2020, arXiv 2002.09797, equations 4 and 5).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.image_scores import ImageMetric, ImageScores, extractor_of, images_compared, require_finite
from vae_lab.metrics.common.resampling import bootstrap_protocol, resamples
from vae_lab.scores import Extractor, Generated, Scores

BLOCK = 1000  # rows of the distance matrix that are held at once


class PRDC(ImageMetric):
    """Samples, and training images as floor, against the test images.

    Args:
        samples: generated images; as many as there are reference images, if those are fewer.
        neighbours: k; 5 as in Naeem et al. (Kynkäänniemi et al. have 3 for precision and recall).
        bootstrap: resamples for the intervals.
    """

    def __init__(
        self, samples: PositiveInt = 10_000, neighbours: PositiveInt = 5, bootstrap: PositiveInt = 100
    ) -> None:
        super().__init__(samples, bootstrap)
        self.neighbours = neighbours

    def least(self, extractor: Extractor) -> int:
        """An image and its k neighbours."""
        return self.neighbours + 1

    def __call__(self, made: Generated) -> Scores:
        """``precision``, ``recall``, ``density``, ``coverage`` with their floors."""
        extractor, n = extractor_of(made), images_compared(made, self.samples)
        if n < self.least(extractor):
            return Scores({}, notes=[f"No precision or recall: {n} images have no {self.neighbours} neighbours."])
        found = ImageScores("prdc", made, extractor, n, neighbours=self.neighbours,
                            bootstrap=bootstrap_protocol(self.bootstrap, _AVERAGED))  # fmt: skip
        counts = resamples(n, self.bootstrap, made.seed) / n
        centre = made.features("test", n).mean(0)  # distances stay, rounding errors shrink
        reference = made.features("test", n) - centre
        within = reach(reference, self.neighbours)
        for source, floor in found.sources:
            features = made.features(source, n) - centre
            shares = neighbourhoods(reference, features, self.neighbours, within, made.progress)
            for name, per_image in shares.__dict__.items():
                top = float("inf") if name == "density" else 1.0
                found.put(name, per_image.mean().item(), counts @ per_image, _MEANINGS[name], floor, top)
        return found.scores


_AVERAGED = "images that are averaged over (generated for precision and density, real for the others), balls held fixed"
_MEANINGS = {
    "precision": "share of samples inside the real ones' reach; blurred ones are, too",
    "recall": "share of test images that the samples reach, 1 is best",
    "density": "how deep samples lie among test images; above the floor: too typical",
    "coverage": "share of test images with a sample nearby, 1 is best",
}


@dataclass
class Neighbourhoods:
    """What each image contributes, float64; the scores are the means."""

    precision: Tensor  # [generated]
    recall: Tensor  # [real]
    density: Tensor  # [generated]
    coverage: Tensor  # [real]


def neighbourhoods(
    real: Tensor,
    generated: Tensor,
    k: int,
    reach_real: Tensor | None = None,
    progress: Callable[..., Any] = lambda steps, _: steps,
) -> Neighbourhoods:
    """Of features [n, F] and [m, F]; ``reach_real`` [n] where it is known already.

    Raises:
        ValueError: a feature is NaN or infinite.
    """
    require_finite(real, generated)
    reach_real, reach_generated = reach(real, k) if reach_real is None else reach_real, reach(generated, k)
    inside = torch.zeros(len(generated), dtype=torch.float64)  # balls of real images that each generated one lies in
    recall, coverage = [], []
    for rows in progress(torch.arange(len(real)).split(BLOCK), "nearest neighbours"):
        distances = torch.cdist(real[rows], generated)
        inside += (distances < reach_real[rows].unsqueeze(1)).sum(0)
        recall.append((distances < reach_generated).any(1))
        coverage.append(distances.min(1).values < reach_real[rows])
    return Neighbourhoods((inside > 0).double(), torch.cat(recall).double(), inside / k, torch.cat(coverage).double())


def reach(features: Tensor, k: int) -> Tensor:
    """Distance of each image [n, F] to its k-th nearest neighbour, itself not counted: [n]."""
    blocks = (torch.cdist(rows, features) for rows in features.split(BLOCK))
    return torch.cat([block.topk(k + 1, dim=1, largest=False).values[:, -1] for block in blocks])
