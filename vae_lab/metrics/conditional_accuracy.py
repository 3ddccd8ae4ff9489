"""Whether samples of class y show y: the share to which the dataset's frozen classifier assigns the requested label.

All classes are requested equally often. A model that generates a single image per class reaches 1, so this score should
be read together with the FID.
"""

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.resampling import wilson
from vae_lab.scores import Extractor, Scores, Trained

AT_ONCE = 250  # images classified at a time


class ConditionalAccuracy:
    """Accuracy of the samples of a model that is conditional on class labels.

    Args:
        samples: number of samples; the classes take turns.
    """

    topic = "Samples"
    needs = ("conditional", "images", "labels", "classifier")

    def __init__(self, samples: PositiveInt = 10_000) -> None:
        self.samples = samples

    def __call__(self, trained: Trained) -> Scores:
        """Return ``conditional_accuracy``, its floor (the classifier's accuracy on test images), and that per class."""
        network, labels = trained.classifier, trained.data.test.labels
        assert network is not None
        assert labels is not None
        requested, classes = torch.arange(self.samples) % len(trained.data.classes), trained.data.classes
        correct = self._predicted(trained, network, requested) == requested
        floor = (trained.class_logits("test", len(labels)).argmax(1) == labels).double().mean().item()
        accuracy = correct.double().mean().item()
        protocol = {
            **network.about,
            "images": self.samples,
            "sampler": f"{trained.sampler.rpartition(', labels ')[0]}, each of the {len(classes)} classes in turn",
            "floor": f"all {len(labels):,} test images of {trained.data.name}, by their own labels",
            "interval": "Wilson over samples",
            "seed": trained.seed,
        }
        values = {"conditional_accuracy": accuracy, "conditional_accuracy_floor": floor}
        intervals = {
            "conditional_accuracy": wilson(accuracy, len(requested)),
            "conditional_accuracy_floor": wilson(floor, len(labels)),
        }
        per_class = [correct[requested == c].double().mean().item() for c in requested.unique()]
        return Scores(
            values,
            {"conditional_accuracy": protocol},
            {"conditional_accuracy_per_class": per_class},
            intervals=intervals,
            meanings=dict(_MEANINGS),
        )

    def _predicted(self, trained: Trained, network: Extractor, requested: Tensor) -> Tensor:
        """The classifier's label of each sample: long [n], on the CPU."""
        n = len(requested)
        blocks = trained.sample(n, "conditional accuracy", y=requested)
        steps = trained.progress(range(-(-n // 1000)), f"classifying {n:,} conditional samples")
        parts = [network(x)[1].argmax(1).cpu() for _ in steps for x in next(blocks).split(AT_ONCE)]
        return torch.cat(parts)


_MEANINGS = {
    "conditional_accuracy": "samples that show the label asked for, higher is better",
    "conditional_accuracy_floor": "test images whose label the classifier reads right",
}
