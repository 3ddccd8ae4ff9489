"""Which classes the samples show, as the frozen classifier reads them, beside those of the test set.

``label_distance`` is the total variation ½ Σ_c |p_c − q_c|: 0 for the same shares, 1 for disjoint ones.
"""

import torch
from pydantic import PositiveInt

from vae_lab.types import Scores, Trained


class LabelDistribution:
    """Shares of the classes among prior samples.

    Args:
        samples: generated images; as many as there are reference images, if those are fewer.
    """

    def __init__(self, samples: PositiveInt = 10_000) -> None:
        self.samples = samples

    def __call__(self, trained: Trained) -> Scores:
        """``label_distance`` and ``label_confidence``, with both distributions."""
        classifier, labels = trained.classifier, trained.data.test.labels
        if classifier is None or labels is None:
            return Scores({}, notes=["No label distribution: the dataset has no labels."])
        n = min(self.samples, len(labels))
        probabilities = trained.class_logits("samples", n).softmax(1)
        classes = len(trained.data.classes)
        generated = torch.bincount(probabilities.argmax(1).cpu(), minlength=classes) / n
        real = torch.bincount(labels, minlength=classes) / len(labels)
        values = {
            "label_distance": 0.5 * (generated - real).abs().sum().item(),
            "label_confidence": probabilities.max(1).values.mean().item(),
        }
        protocol = {"images": n, "classifier_sha256": classifier.sha256, "sampler": "prior"}
        arrays = {"labels_generated": generated.tolist(), "labels_real": real.tolist()}
        return Scores(values, {"label_distribution": protocol}, arrays)
