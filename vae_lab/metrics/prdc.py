"""Precision, recall, density and coverage: fidelity and variety measured separately, by nearest neighbours of features.

Let B(x) be the ball around image x that reaches to its k-th nearest neighbour among the images of the same kind, real
or generated. Then precision = share of generated images in some B(real) and recall = share of real images in some
B(generated) (Kynkäänniemi et al. 2019, arXiv 1904.06991); density = (1/k) mean number of B(real) that a generated image
lies in, and coverage = share of B(real) with a generated image in it (Naeem et al. 2020, arXiv 2002.09797, equations 4
and 5).
"""

from dataclasses import dataclass

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.image_scores import ImageMetric, ImageScores, extractor_of, images_compared, require_finite
from vae_lab.metrics.common.resampling import bootstrap_protocol, resamples
from vae_lab.scores import Extractor, Generated, Scores
from vae_lab.types import Progress

BLOCK = 1000  # rows of the distance matrix that are in memory at a time


class PRDC(ImageMetric):
    """Precision, recall, density and coverage of samples, and of training images as the floor.

    Args:
        samples: number of generated images; fewer if there are fewer reference images.
        neighbours: k; 5 as in Naeem et al. (Kynkäänniemi et al. use 3 for precision and recall).
        bootstrap: number of resamples for the intervals.
    """

    topic = "Samples"

    def __init__(
        self, samples: PositiveInt = 10_000, neighbours: PositiveInt = 5, bootstrap: PositiveInt = 100
    ) -> None:
        super().__init__(samples, bootstrap)
        self.neighbours = neighbours

    def least(self, extractor: Extractor) -> int:
        """k + 1: an image and its k neighbours."""
        return self.neighbours + 1

    def __call__(self, generated: Generated) -> Scores:
        """Return ``precision``, ``recall``, ``density`` and ``coverage`` with their floors."""
        extractor, n = extractor_of(generated), images_compared(generated, self.samples)
        if n < self.least(extractor):
            return Scores(
                {}, notes=[f"No precision or recall: {n} images are too few for {self.neighbours} neighbours."]
            )
        results = ImageScores("prdc", generated, extractor, n, neighbours=self.neighbours,
                              bootstrap=bootstrap_protocol(self.bootstrap, _AVERAGED))  # fmt: skip
        counts = resamples(n, self.bootstrap, generated.seed) / n
        centre = generated.features("test", n).mean(0)  # subtracted, which reduces rounding errors in distances
        reference = generated.features("test", n) - centre
        reach_real = reach(reference, self.neighbours)
        for source, floor in results.sources:
            features = generated.features(source, n) - centre
            parts = neighbourhoods(reference, features, self.neighbours, reach_real, generated.progress)
            for name, per_image in vars(parts).items():
                high = float("inf") if name == "density" else 1.0
                results.put(name, per_image.mean().item(), counts @ per_image, _MEANINGS[name], floor, high)
        return results.scores


_AVERAGED = "images that are averaged over (generated for precision and density, real for the others), balls held fixed"
_MEANINGS = {
    "precision": "share of samples inside the real ones' reach; blurred ones are, too",
    "recall": "share of test images that the samples reach, 1 is best",
    "density": "how deep samples lie among test images; above the floor: too typical",
    "coverage": "share of test images with a sample nearby, 1 is best",
}


@dataclass
class Neighbourhoods:
    """The contribution of each image to each score, float64; the scores are the means."""

    precision: Tensor  # [generated]
    recall: Tensor  # [real]
    density: Tensor  # [generated]
    coverage: Tensor  # [real]


def neighbourhoods(
    real: Tensor,
    generated: Tensor,
    k: int,
    reach_real: Tensor | None = None,
    progress: Progress = lambda steps, _: steps,
) -> Neighbourhoods:
    """Return the contribution of each real and each generated image to the scores.

    Args:
        real, generated: features [n, F] and [m, F].
        k: number of neighbours.
        reach_real: the result of :func:`reach` for ``real``, [n], if it is known already.
        progress: shows the progress.

    Raises:
        ValueError: a feature is NaN or infinite.
    """
    require_finite(real, generated)
    reach_real, reach_generated = reach(real, k) if reach_real is None else reach_real, reach(generated, k)
    inside = torch.zeros(len(generated), dtype=torch.float64)  # number of B(real) that contain each generated image
    recall, coverage = [], []
    for rows in progress(torch.arange(len(real)).split(BLOCK), "nearest neighbours"):
        distances = torch.cdist(real[rows], generated)
        inside += (distances < reach_real[rows].unsqueeze(1)).sum(0)
        recall.append((distances < reach_generated).any(1))
        coverage.append(distances.min(1).values < reach_real[rows])
    return Neighbourhoods((inside > 0).double(), torch.cat(recall).double(), inside / k, torch.cat(coverage).double())


def reach(features: Tensor, k: int) -> Tensor:
    """Return the distance of each image [n, F] to its k-th nearest neighbour, itself not counted: [n]."""
    blocks = (torch.cdist(rows, features) for rows in features.split(BLOCK))
    return torch.cat([block.topk(k + 1, dim=1, largest=False).values[:, -1] for block in blocks])
