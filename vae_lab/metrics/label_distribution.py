"""The class distribution of samples, as predicted by the frozen classifier, compared with that of the test set.

``label_distance`` is the total variation ½ Σ_c |p_c − q_c|: 0 for equal distributions, 1 for disjoint ones.
"""

import torch
from torch import Tensor

from vae_lab.metrics.common.image_scores import ImageMetric, ImageScores, images_compared
from vae_lab.metrics.common.resampling import bootstrap_protocol, resamples
from vae_lab.scores import Generated, Scores


class LabelDistribution(ImageMetric):
    """Shares of the classes among samples, and among training images as the floor."""

    topic = "Samples"
    needs = ("images", "labels", "classifier")

    def __call__(self, generated: Generated) -> Scores:
        """Return ``label_distance`` and ``label_confidence`` with their floors, and both distributions."""
        classifier, data = generated.classifier, generated.data
        labels = data.test.labels
        assert classifier is not None
        assert labels is not None
        n, classes = images_compared(generated, self.samples), len(data.classes)
        results = ImageScores("label_distribution", generated, classifier, n,
                              bootstrap=bootstrap_protocol(self.bootstrap),
                              reference=f"labels of all {len(labels):,} test images of {data.name}")  # fmt: skip
        real = torch.bincount(labels, minlength=classes).double() / len(labels)
        counts = resamples(n, self.bootstrap, generated.seed)
        for source, floor in results.sources:
            probabilities = generated.class_logits(source, n).double().softmax(1)
            predicted = torch.nn.functional.one_hot(probabilities.argmax(1), classes).double()
            confidence, shares = probabilities.max(1).values, predicted.mean(0)
            results.put("label_distance", _distance(shares, real).item(), _distance(counts @ predicted / n, real),
                        "total variation, samples' labels from real ones; 0 is best", floor, high=1.0)  # fmt: skip
            results.put("label_confidence", confidence.mean().item(), counts @ confidence / n,
                        "mean confidence of the classifier; no quality: noise has it, too", floor,
                        high=1.0)  # fmt: skip
            if not floor:
                results.scores.arrays["labels_generated"] = shares.tolist()
        results.scores.arrays["labels_real"] = real.tolist()
        return results.scores


def _distance(shares: Tensor, real: Tensor) -> Tensor:
    """Total variation between class shares [..., classes] and [classes]: [...]."""
    return 0.5 * (shares - real).abs().sum(-1)
