"""Code shared by all scores of images: arguments, number of images compared, protocol, names and intervals."""

import json
from collections.abc import Mapping

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.resampling import interval
from vae_lab.scores import Extractor, Generated, Scores

GENERATED, FLOOR = ("samples", False), ("pool", True)  # source of the scored images, and whether they are the floor


def extractor_of(generated: Generated) -> Extractor:
    """The network in whose features images are compared; it exists for every metric that needs "features"."""
    assert generated.extractor is not None
    return generated.extractor


class ImageMetric:
    """Base class of the scores of generated images.

    Args:
        samples: number of generated images; fewer if there are fewer reference images.
        bootstrap: number of resamples for the intervals.
    """

    of_images = True
    needs: tuple[str, ...] = ("images", "features")

    def __init__(self, samples: PositiveInt = 10_000, bootstrap: PositiveInt = 100) -> None:
        self.samples, self.bootstrap = samples, bootstrap

    def least(self, extractor: Extractor) -> int:
        """The smallest number of images from which the score can be computed."""
        return 1


def require_finite(*features: Tensor) -> None:
    """Check that features [n, F] are finite.

    Raises:
        ValueError: a feature is NaN or infinite.
    """
    if not all(torch.isfinite(part).all() for part in features):
        raise ValueError("features are not finite")


def images_compared(generated: Generated, samples: int) -> int:
    """The number of generated images to score; as many test images are the reference, and training images the floor."""
    counts = (samples, len(generated.data.test), len(generated.data.pool), generated.available)
    return min(count for count in counts if count is not None)


class ImageScores:
    """Collects the values of one metric, each under its name followed by the extractor's suffix.

    Args:
        metric: the metric's name, which is the key of its protocol.
        generated: the images that are scored.
        extractor: the network whose features or predicted labels are used.
        n: number of generated images, and of real ones.
        more: further entries of the protocol.
    """

    def __init__(self, metric: str, generated: Generated, extractor: Extractor, n: int, **more: object) -> None:
        self.suffix = extractor.suffix
        key = f"{metric}{self.suffix}"
        protocol = {
            **extractor.about,
            "images": n,
            "sampler": generated.sampler,
            "reference": f"{n:,} of {len(generated.data.test):,} test images of {generated.data.name}",
            "floor": f"{n:,} training images in place of the generated ones",
            "seed": generated.seed,
            **more,
        }
        self.scores = Scores({}, {key: protocol})
        self._known = generated.known if _same(generated.known.protocol.get(key), protocol) else Scores({})

    @property
    def sources(self) -> tuple[tuple[str, bool], ...]:
        """The images to score: samples, and real images for the floor unless that is known already."""
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
        """Record a value, with its interval and, if it is known already, its floor.

        Args:
            name: of the score, without suffixes.
            value: the score.
            resampled: the score on R resamples, [R], from which the interval is computed; None: no interval.
            meaning: unit and direction of the score.
            floor: whether this is the value of real images.
            high, low: ends of the range of the score.
        """
        full = f"{name}{self.suffix}{'_floor' if floor else ''}"
        self.scores.values[full] = float(value)
        self.scores.meanings[full] = f"{meaning}, real training images" if floor else meaning
        if resampled is not None:
            self.scores.intervals[full] = interval(float(value), resampled, low, high)
        known = f"test/{full}_floor"
        if known in self._known.values:
            self.scores.values[f"{full}_floor"] = self._known.values[known]
            self.scores.meanings[f"{full}_floor"] = self._known.meanings.get(known, "")
            if known in self._known.intervals:
                self.scores.intervals[f"{full}_floor"] = self._known.intervals[known]

    def put_split_floor(self, name: str, value: float) -> None:
        """Record what sampling error alone gives in place of a floor, estimated from halves of the test images."""
        full = f"{name}{self.suffix}_split_floor"
        self.scores.values[full] = value
        self.scores.meanings[full] = "what sampling error alone gives, from halves of the test images"


def _same(known: Mapping[str, object] | None, protocol: Mapping[str, object]) -> bool:
    """Whether two protocols are equal except for the sampler.

    They are compared as JSON, because the known one may have been read from a file.
    """
    texts = (json.dumps({**part, "sampler": ""}, sort_keys=True, default=str) for part in (known or {}, protocol))
    return len(set(texts)) == 1
