"""Which classes the samples show, as the frozen classifier reads them, beside those of the test set.

``label_distance`` is the total variation ½ Σ_c |p_c − q_c|: 0 for the same shares, 1 for disjoint ones.
"""

import torch
from torch import Tensor

from vae_lab.metrics.common.image_scores import ImageMetric, ImageScores, images_compared
from vae_lab.metrics.common.resampling import bootstrap_protocol, resamples
from vae_lab.scores import Generated, Scores


class LabelDistribution(ImageMetric):
    """Shares of the classes among samples, and among training images as floor."""

    needs = ("images", "labels")

    def __call__(self, made: Generated) -> Scores:
        """``label_distance`` and ``label_confidence`` with floors, and both distributions."""
        classifier, labels = made.classifier, made.data.test.labels
        assert classifier is not None
        assert labels is not None
        n, classes = images_compared(made, self.samples), len(made.data.classes)
        found = ImageScores("label_distribution", made, classifier, n, bootstrap=bootstrap_protocol(self.bootstrap),
                            reference=f"labels of all {len(labels):,} test images of {made.data.name}")  # fmt: skip
        real = torch.bincount(labels, minlength=classes).double() / len(labels)
        counts = resamples(n, self.bootstrap, made.seed)
        for source, floor in found.sources:
            probabilities = made.class_logits(source, n).double().softmax(1)
            read = torch.nn.functional.one_hot(probabilities.argmax(1), classes).double()
            confidence = probabilities.max(1).values
            found.put("label_distance", _distance(read.mean(0), real).item(), _distance(counts @ read / n, real),
                      "total variation, samples' labels from real ones; 0 is best", floor, high=1.0)  # fmt: skip
            found.put("label_confidence", confidence.mean().item(), counts @ confidence / n,
                      "mean confidence of the classifier; no quality: noise has it, too", floor, high=1.0)  # fmt: skip
            if not floor:
                found.scores.arrays["labels_generated"] = read.mean(0).tolist()
        found.scores.arrays["labels_real"] = real.tolist()
        return found.scores


def _distance(shares: Tensor, real: Tensor) -> Tensor:
    return 0.5 * (shares - real).abs().sum(-1)
