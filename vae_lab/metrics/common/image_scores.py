"""What all scores of images share: arguments, how many are compared, the protocol, the names, the intervals."""

import json
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.resampling import interval
from vae_lab.scores import Extractor, Generated, Scores

GENERATED, FLOOR = ("samples", False), ("pool", True)  # what is scored, and whether as the floor


def extractor_of(made: Generated) -> Extractor:
    """The network in whose features images are compared; it exists where a metric needs "features"."""
    assert made.extractor is not None
    return made.extractor


class ImageMetric:
    """The arguments of scores of images, and the fewest images that they can be computed from.

    Args:
        samples: generated images; as many as there are reference images, if those are fewer.
        bootstrap: resamples for the intervals.
    """

    of_images = True
    needs: tuple[str, ...] = ("images", "features")

    def __init__(self, samples: PositiveInt = 10_000, bootstrap: PositiveInt = 100) -> None:
        self.samples, self.bootstrap = samples, bootstrap

    def least(self, extractor: Extractor) -> int:
        """Fewest images that the score can be had of."""
        return 1


def require_finite(*features: Tensor) -> None:
    """Features [n, F] can be compared.

    Raises:
        ValueError: one is NaN or infinite.
    """
    if not all(torch.isfinite(part).all() for part in features):
        raise ValueError("features are not finite")


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
        self._known = made.known if _same(made.known.protocol.get(f"{metric}{self.suffix}"), protocol) else Scores({})

    @property
    def sources(self) -> tuple[tuple[str, bool], ...]:
        """What is to be scored: samples, and real images as floor where that is not known already."""
        return (GENERATED, FLOOR) if not self._known.values else (GENERATED,)

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
        known = f"test/{full}_floor"
        if known in self._known.values:
            self.scores.values[f"{full}_floor"] = self._known.values[known]
            self.scores.meanings[f"{full}_floor"] = self._known.meanings[known]
            if known in self._known.intervals:
                self.scores.intervals[f"{full}_floor"] = self._known.intervals[known]


def _same(known: dict[str, Any] | None, protocol: dict[str, Any]) -> bool:
    """Whether two protocols differ in nothing but the sampler; one may have been read from a file."""
    told = (json.dumps({**part, "sampler": ""}, sort_keys=True, default=str) for part in (known or {}, protocol))
    return len(set(told)) == 1
