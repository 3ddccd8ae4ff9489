"""What all scores of images share: how many are compared, the protocol, the names, the intervals."""

from typing import Any

from torch import Tensor

from vae_lab.metrics.resampling import LEVEL, interval
from vae_lab.types import Extractor, Generated, Scores


def images_compared(made: Generated, samples: int) -> int:
    """As many generated images as test images for reference, and as training images for the floor."""
    found = (samples, len(made.data.test), len(made.data.pool), made.available)
    return min(count for count in found if count is not None)


class ImageScores:
    """Collects the values of one metric; each stands under its name, with the extractor's suffix.

    Args:
        metric: the metric's name, under which its protocol is found.
        made: what is scored.
        extractor: the network whose features or labels are used.
        n: generated images, and as many real ones.
        more: further entries of the protocol.
    """

    def __init__(self, metric: str, made: Generated, extractor: Extractor, n: int, **more: Any) -> None:
        self.suffix = extractor.suffix
        protocol = {
            **extractor.about,
            "images": n,
            "sampler": made.sampler,
            "reference": f"{n:,} of {len(made.data.test):,} test images of {made.data.name}",
            "floor": f"{n:,} training images in place of the generated ones",
            "seed": made.seed,
            **more,
        }
        self.scores = Scores({}, {f"{metric}{self.suffix}": protocol})

    def put(
        self,
        name: str,
        value: float,
        resampled: Tensor | None = None,
        meaning: str = "",
        floor: bool = False,
        high: float = float("inf"),
        low: float = 0.0,
    ) -> None:
        """One value with the values [R] on resamples, from which the interval comes; ``floor``: that of real images."""
        full = f"{name}{self.suffix}{'_floor' if floor else ''}"
        self.scores.values[full] = float(value)
        self.scores.meanings[full] = f"{meaning}, real training images" if floor else meaning
        if resampled is not None:
            self.scores.intervals[full] = interval(float(value), resampled, low, high)


def bootstrap_protocol(replicates: int, resampled: str = "generated images") -> str:
    """How the intervals came about."""
    return f"{100 * LEVEL:.0f} % of {replicates} resamples of the {resampled}, about their mean, laid around the value"
