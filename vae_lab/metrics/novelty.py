"""Whether generated images are new, or near copies of training images (after Meehan et al. 2020, arXiv 2004.05675).

Each generated and each test image has a distance to its nearest training image in feature space. Test images are new
by construction, so their distances say what new looks like: ``novelty_closer`` = P(d_generated < d_test), ties counted
half: ½ where generated images are as new as test images, towards 1 where they are copies, towards 0 where they are
unlike anything; ``near_copies`` = share of generated images that are closer than all but 1 % of the test images.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.image_scores import ImageMetric, ImageScores, extractor_of, images_compared, require_finite
from vae_lab.metrics.common.resampling import bootstrap_protocol, resamples
from vae_lab.scores import Generated, Scores

BLOCK = 500  # generated images whose distances to all training images are held at once
QUANTILE = 0.01


class Novelty(ImageMetric):
    """Nearest training image of each sample.

    Args:
        samples: generated images; as many as there are test images, if those are fewer.
        train_images: training images that are searched; all, where there are fewer.
        shown: pairs of sample and training image for the picture, the closest ones.
        bootstrap: resamples for the intervals.
    """

    def __init__(
        self,
        samples: PositiveInt = 10_000,
        train_images: PositiveInt = 100_000,
        shown: PositiveInt = 12,
        bootstrap: PositiveInt = 100,
    ) -> None:
        super().__init__(samples, bootstrap)
        self.train_images, self.shown = train_images, shown

    def __call__(self, made: Generated) -> Scores:
        """``novelty_closer`` and ``near_copies``; the closest pairs, and 101 quantiles of both kinds of distance.

        Distances are in units of the test images' median.
        """
        extractor, split = extractor_of(made), made.learnt_from
        n, searched = images_compared(made, self.samples), min(self.train_images, len(getattr(made.data, split)))
        train = made.features(split, searched)
        generated, which = nearest(made.features("samples", n), train, made.progress)
        test, _ = nearest(made.features("test", n), train, made.progress)
        found = ImageScores("novelty", made, extractor, n, train_images=searched, searched=split,
                            bootstrap=bootstrap_protocol(self.bootstrap))  # fmt: skip
        near = float(np.quantile(test, QUANTILE, method="weibull"))  # 1 % of further test images are nearer
        per_image = {"novelty_closer": closer(generated, test), "near_copies": generated < near}
        counts = resamples(n, self.bootstrap, made.seed) / n
        for name, values in per_image.items():
            found.put(name, values.double().mean().item(), counts @ values.double(), _MEANINGS[name], high=1.0)
        found.scores.protocol[f"novelty{found.suffix}"]["floor"] = "test images: ½ and 0.01 by construction"
        order, unit = generated.argsort()[: self.shown], test.median() if test.median() > 0 else 1.0
        arrays, suffix = found.scores.arrays, found.suffix
        pairs = (order.tolist(), which[order].tolist(), (generated[order] / unit).tolist())
        arrays[f"nearest_training_images{suffix}"] = [list(pair) for pair in zip(*pairs)]
        steps = torch.linspace(0, 1, 101)
        arrays[f"nearest_distances_generated{suffix}"] = (generated.quantile(steps) / unit).tolist()
        arrays[f"nearest_distances_test{suffix}"] = (test.quantile(steps) / unit).tolist()
        return found.scores


_MEANINGS = {
    "novelty_closer": "P(sample nearer to training images than a test image); 0.5 new, 1 copies, 0 unlike any",
    "near_copies": "share of samples nearer than 99 % of test images; 0.01 for new ones",
}


def nearest(
    images: Tensor, train: Tensor, progress: Callable[..., Any] = lambda steps, _: steps
) -> tuple[Tensor, Tensor]:
    """Distance [n] and place [n] of the nearest of features [m, F] for each of [n, F].

    Raises:
        ValueError: a feature is NaN or infinite.
    """
    require_finite(images, train)
    blocks = progress(images.split(BLOCK), "nearest training images")
    places = torch.cat([torch.cdist(rows, train).argmin(1) for rows in blocks])
    # The quick distances of cdist are rounded as the products behind them: a copy would not lie at 0.
    return torch.cat([(a - train[b]).norm(dim=1) for a, b in zip(images.split(BLOCK), places.split(BLOCK))]), places


def closer(generated: Tensor, test: Tensor) -> Tensor:
    """Share of the test images' distances [m] that are larger than each of [n], ties counted half: [n]."""
    ordered = test.sort().values
    nearer, as_near = (torch.searchsorted(ordered, generated, right=right) for right in (False, True))
    return 1 - (nearer + as_near).double() / (2 * len(test))
