"""FID of samples to validation images (Heusel et al. 2017, arXiv 1706.08500): chooses between runs, is not reported.

The estimate is that of :mod:`vae_lab.metrics.fid` with validation images as the reference. It ranks runs, and its value
does not compare with ``test/fid``: there are fewer validation images, which raises a FID, and the classifier of the
dataset was trained on them, but not on the test images.
"""

from vae_lab.metrics.common.image_scores import ImageMetric, extractor_of
from vae_lab.metrics.common.resampling import bootstrap_protocol, interval, resamples
from vae_lab.metrics.fid import Reference
from vae_lab.scores import Extractor, Generated, Scores


class ValidationFID(ImageMetric):
    """FID of samples to as many validation images; it has no floor, because the training images are its own kind."""

    def least(self, extractor: Extractor) -> int:
        """One more than there are features, because the covariance of fewer images is singular."""
        return extractor.num_features + 1

    def __call__(self, generated: Generated) -> Scores:
        """Return ``fid`` of the validation split with its interval; a note for too few images."""
        extractor, total = extractor_of(generated), len(generated.data.val)
        n = min(count for count in (self.samples, total, generated.available) if count is not None)
        if n < self.least(extractor):
            width = extractor.num_features
            return Scores({}, notes=[f"No val/fid: {n} images are too few for a covariance of {width} features."])
        reference, features = Reference(generated.features("val", n)), generated.features("samples", n)
        value = reference.distance(features)
        on_resamples = reference.distances(features, resamples(n, self.bootstrap, generated.seed))
        name = f"fid{extractor.suffix}"
        protocol = {
            **extractor.about,
            "images": n,
            "split": "val",
            "sampler": generated.sampler,
            "reference": f"{n:,} of {total:,} validation images of {generated.data.name}",
            "seed": generated.seed,
            "bootstrap": bootstrap_protocol(self.bootstrap),
        }
        return Scores(
            {name: value},
            {f"val_{name}": protocol},
            intervals={name: interval(value, on_resamples, 0.0, float("inf"))},
            meanings={name: "samples against validation images, lower is better"},
            split="val",
        )
