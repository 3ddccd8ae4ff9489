"""Whether samples of class y show y: the share that the dataset's frozen classifier reads as the label asked for.

Classes are asked for in equal numbers. A model that gives one picture per class reaches 1: read it beside FID.
"""

import torch
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.metrics.common.resampling import wilson
from vae_lab.scores import Extractor, Scores, Trained

AT_ONCE = 250  # images read by the classifier at a time


class ConditionalAccuracy:
    """Of a conditional model with class labels; of others there is nothing to say.

    Args:
        samples: class-conditional samples, of each class in turn.
    """

    needs = ("conditional", "images", "labels")

    def __init__(self, samples: PositiveInt = 10_000) -> None:
        self.samples = samples

    def __call__(self, trained: Trained) -> Scores:
        """``conditional_accuracy`` with the classifier's accuracy on test images as floor, and that of each class."""
        network, labels = trained.classifier, trained.data.test.labels
        assert network is not None
        assert labels is not None
        asked, classes = torch.arange(self.samples) % len(trained.data.classes), trained.data.classes
        right = self._read(trained, network, asked) == asked
        real = (trained.class_logits("test", len(labels)).argmax(1) == labels).double().mean().item()
        share = right.double().mean().item()
        protocol = {
            **network.about,
            "images": self.samples,
            "sampler": f"{trained.sampler.rpartition(', labels ')[0]}, each of the {len(classes)} classes in turn",
            "floor": f"all {len(labels):,} test images of {trained.data.name}, by their own labels",
            "interval": "Wilson over samples",
            "seed": trained.seed,
        }
        values = {"conditional_accuracy": share, "conditional_accuracy_floor": real}
        of = {"conditional_accuracy": len(asked), "conditional_accuracy_floor": len(labels)}
        intervals = {name: wilson(values[name], n) for name, n in of.items()}
        per_class = [right[asked == c].double().mean().item() for c in asked.unique()]
        return Scores(
            values,
            {"conditional_accuracy": protocol},
            {"conditional_accuracy_per_class": per_class},
            intervals=intervals,
            meanings=dict(_MEANINGS),
        )

    def _read(self, trained: Trained, network: Extractor, asked: Tensor) -> Tensor:
        """The classifier's label of each sample: long [n], on the CPU."""
        n = len(asked)
        blocks = trained.sample(n, "conditional accuracy", y=asked)
        steps = trained.progress(range(-(-n // 1000)), f"reading {n:,} samples of asked labels")
        parts = [network(x)[1].argmax(1).cpu() for _ in steps for x in next(blocks).split(AT_ONCE)]
        return torch.cat(parts)


_MEANINGS = {
    "conditional_accuracy": "samples that show the label asked for, higher is better",
    "conditional_accuracy_floor": "test images whose label the classifier reads right",
}
