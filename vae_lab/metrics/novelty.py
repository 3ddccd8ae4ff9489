"""Whether generated images are new or near copies of training images (after Meehan et al. 2020, arXiv 2004.05675).

Every generated image and every test image has a distance to its nearest training image in feature space. Test images
are new by construction, so their distances serve as the reference. ``novelty_closer`` = P(d_generated < d_test), with
ties counted half: it is ½ if generated images are as new as test images, near 1 if they are copies, and near 0 if they
resemble no training image. ``near_copies`` is the share of generated images that are closer than 99 % of test images.
"""

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.image_scores import ImageMetric, ImageScores, extractor_of, images_compared, require_finite
from vae_lab.metrics.common.resampling import bootstrap_protocol, resamples
from vae_lab.scores import Generated, Scores
from vae_lab.types import Progress

BLOCK = 500  # images whose distances to all training images are in memory at a time
QUANTILE = 0.01  # of the test images' distances; a sample below it is a near copy


class Novelty(ImageMetric):
    """Distance of each sample to its nearest training image.

    Args:
        samples: number of generated images; fewer if there are fewer test images.
        train_images: largest number of training images to search.
        shown: number of closest pairs of sample and training image in the figure.
        bootstrap: number of resamples for the intervals.
    """

    topic = "Samples"

    def __init__(
        self,
        samples: PositiveInt = 10_000,
        train_images: PositiveInt = 100_000,
        shown: PositiveInt = 12,
        bootstrap: PositiveInt = 100,
    ) -> None:
        super().__init__(samples, bootstrap)
        self.train_images, self.shown = train_images, shown

    def __call__(self, generated: Generated) -> Scores:
        """Return ``novelty_closer``, ``near_copies``, the closest pairs, and 101 quantiles of both kinds of distance.

        Distances are in units of the median distance of test images.
        """
        extractor, split, data = extractor_of(generated), generated.learnt_from, generated.data
        n, searched = images_compared(generated, self.samples), min(self.train_images, len(getattr(data, split)))
        train = generated.features(split, searched)
        distances, neighbours = nearest(generated.features("samples", n), train, generated.progress)
        of_test, _ = nearest(generated.features("test", n), train, generated.progress)
        results = ImageScores("novelty", generated, extractor, n, train_images=searched, searched=split,
                              bootstrap=bootstrap_protocol(self.bootstrap))  # fmt: skip
        # This estimator of the quantile expects 1 % of further test images below it.
        near = float(np.quantile(of_test, QUANTILE, method="weibull"))
        per_image = {"novelty_closer": closer(distances, of_test), "near_copies": distances < near}
        counts = resamples(n, self.bootstrap, generated.seed) / n
        for name, values in per_image.items():
            results.put(name, values.double().mean().item(), counts @ values.double(), _MEANINGS[name], high=1.0)
        results.scores.protocol[f"novelty{results.suffix}"]["floor"] = "test images: ½ and 0.01 by construction"
        order, unit = distances.argsort()[: self.shown], of_test.median() if of_test.median() > 0 else 1.0
        arrays, suffix = results.scores.arrays, results.suffix
        pairs = (order.tolist(), neighbours[order].tolist(), (distances[order] / unit).tolist())
        arrays[f"nearest_training_images{suffix}"] = [list(pair) for pair in zip(*pairs)]
        steps = torch.linspace(0, 1, 101)
        arrays[f"nearest_distances_generated{suffix}"] = (distances.quantile(steps) / unit).tolist()
        arrays[f"nearest_distances_test{suffix}"] = (of_test.quantile(steps) / unit).tolist()
        return results.scores


_MEANINGS = {
    "novelty_closer": "P(sample nearer to training images than a test image); 0.5 new, 1 copies, 0 unlike any",
    "near_copies": "share of samples nearer than 99 % of test images; 0.01 for new ones",
}


def nearest(images: Tensor, train: Tensor, progress: Progress = lambda steps, _: steps) -> tuple[Tensor, Tensor]:
    """Return the distance [n] to the nearest training image, and its index [n], for each image.

    Args:
        images: features [n, F].
        train: features of training images, [m, F].
        progress: shows the progress.

    Raises:
        ValueError: a feature is NaN or infinite.
    """
    require_finite(images, train)
    blocks = progress(images.split(BLOCK), "nearest training images")
    indices = torch.cat([torch.cdist(rows, train).argmin(1) for rows in blocks])
    # cdist computes distances from matrix products, whose rounding errors would give a copy a distance above 0.
    return torch.cat([(a - train[b]).norm(dim=1) for a, b in zip(images.split(BLOCK), indices.split(BLOCK))]), indices


def closer(generated: Tensor, test: Tensor) -> Tensor:
    """Return the share of test distances [m] that exceed each generated distance [n], with ties counted half: [n]."""
    ordered = test.sort().values
    nearer, as_near = (torch.searchsorted(ordered, generated, right=right) for right in (False, True))
    return 1 - (nearer + as_near).double() / (2 * len(test))
