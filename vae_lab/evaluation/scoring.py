"""Runs metrics on generated images, whether a trained model generates them or the user gives them as files."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Generic

import torch
from torch import Tensor

from vae_lab.evaluation.needs import missing, usable
from vae_lab.evaluation.own_classifier import LATER
from vae_lab.examples import Data
from vae_lab.features.classifier import classifier_features, classifier_for
from vae_lab.features.remembered import remembered
from vae_lab.noise import SeededNoise
from vae_lab.scores import Extractor, Generated, Metric, Scores, Trained
from vae_lab.types import Progress, T

VALIDATION, OTHER = "On validation examples", "Other scores"  # topics of scores
AT_ONCE = 250  # images encoded at a time
# Images that the extractor processes at a time, by type of device; on other devices, it processes a batch at once. On a
# CPU, an image takes 1.4 times as long among 250 and three times as long among 1,000, because memory for activations of
# more than 32 MB is requested from the system every time.
READ_AT_ONCE = {"cpu": 100}

FeaturesFor = Callable[[Generated], Extractor | None]


def silent(steps: Iterable[T], description: str, /) -> Iterable[T]:
    """Return the steps themselves: no progress is shown."""
    return steps


class Scoring(ABC):
    """Generated images, the data they are compared with, and features that several scores share, computed once.

    Args:
        data: the dataset.
        seed: seed of all noise in scoring.
        device: where to compute.
        title: key settings, for figures.
        progress: wraps an iterable so that its progress is shown.
        features: gives the network in whose features images are compared.
    """

    sampler: str  # the source of the images, for protocols
    conditioned_on: str | None = None  # what the model is conditional on, for protocols
    without_classifier = ""
    learnt_from = "pool"
    available: int | None = None
    trained: Trained | None = None  # the model that made the images
    known = Scores({})

    def __init__(
        self,
        data: Data,
        seed: int,
        device: torch.device,
        title: str = "",
        progress: Progress = silent,
        features: FeaturesFor = classifier_features,
    ) -> None:
        data.device = device
        self.data, self.seed, self.device, self.title, self.progress = data, seed, device, title, progress
        self.scores = Scores({}, notes=list(data.notes))
        self.fresh = Scores({})  # of these scores, those that were computed since, and not by an earlier command
        self._features_for = features
        self._computed: dict[tuple[str, str, int], tuple[Tensor, Tensor]] = {}  # by network, source and n

    @cached_property
    def classifier(self) -> Extractor | None:
        """The frozen classifier of the dataset: shipped, cached, or trained at the first access; None: left out."""
        if self.without_classifier:
            return None
        with torch.enable_grad(), torch.inference_mode(False):
            return classifier_for(self.data, self.device, self.progress)

    @cached_property
    def extractor(self) -> Extractor | None:
        """The network that ``features=`` names."""
        return self._features_for(self)

    def noise(self, purpose: str, device: str | None = None) -> SeededNoise:
        """Return noise that depends only on the seed and the purpose."""
        return SeededNoise(device or self.device, self.seed, "evaluation", purpose)

    @abstractmethod
    def sample(self, n: int, purpose: str = "samples", size: int = 1000) -> Iterator[Tensor]:
        """Yield n images in [0, 1], [size, C, H, W] at a time."""

    def features(self, source: str, n: int) -> Tensor:
        """Return the extractor's features [n, F] of 'samples', 'train', 'val', 'pool' or 'test', on the CPU."""
        return self._outputs(self.extractor, source, n)[0]

    def logits(self, source: str, n: int) -> Tensor:
        """Return the extractor's logits [n, classes] of the same images, on the CPU."""
        return self._outputs(self.extractor, source, n)[1]

    def class_logits(self, source: str, n: int) -> Tensor:
        """Return the classifier's logits [n, classes] of the same images, on the CPU."""
        return self._outputs(self.classifier, source, n)[1]

    def _outputs(self, network: Extractor | None, source: str, n: int) -> tuple[Tensor, Tensor]:
        """A network's features and logits of n images, computed once."""
        if network is None:
            raise ValueError("the dataset has no labels, so there is no classifier")
        key = (network.sha256, source, n)
        if key not in self._computed:
            outputs = self._generated if source in _GENERATED else self._real
            self._computed[key] = outputs(network, source, n)
        return self._computed[key]

    def _real(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        """Outputs for images of the dataset, taken from the cache on disk if they were computed before."""
        key = f"{self.data.fingerprint(source, n)}-{network.sha256}"
        return remembered(key, lambda: self._through(network, self.data.clean(source, n), source, n))

    def _generated(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        """Outputs for generated images."""
        return self._through(network, self.sample(n), source, n)

    def _through(self, network: Extractor, images: Iterable[Tensor], source: str, n: int) -> tuple[Tensor, Tensor]:
        """Compute a network's features and logits of batches of images, and show the progress."""
        shown = self.progress(Counted(images, -(-n // 1000)), f"reading {n:,} {_KINDS[source]}")
        with torch.inference_mode():
            parts = [network(part) for x in shown for part in x.split(READ_AT_ONCE.get(x.device.type, len(x)))]
        features, logits = (torch.cat(part).float().cpu() for part in zip(*parts))
        return features, logits

    def run(self, metrics: Mapping[str, Metric], named: bool = False) -> Scores:
        """Compute the metrics one after another; the names of their values are prefixed with ``test/`` or ``val/``.

        A metric whose needs this run does not meet is left out, and a note says why; if ``named``, since the user has
        chosen these metrics, then also where a metric does not concern the run.
        """
        kept, notes = usable(metrics, self, named=named)
        if not self.without_classifier:  # an earlier note that said how to have these scores
            self.scores.notes[:] = [note for note in self.scores.notes if LATER not in note]
        self.add(Scores({}, notes=notes))
        for metric in kept.values():
            with torch.inference_mode():
                new = metric(self)  # type: ignore[arg-type]
            topic = VALIDATION if new.split == "val" else getattr(metric, "topic", OTHER)
            complete = replace(
                new,
                values=_prefixed(new.values, new.split),
                intervals=_prefixed(new.intervals, new.split),
                meanings=_prefixed(new.meanings, new.split),
                protocol={name: self._of_this_run(part) for name, part in new.protocol.items()},
                topics=dict.fromkeys(_prefixed(new.values, new.split), topic),
            )
            self.add(complete)
        return self.scores

    def lacks(self, part: object) -> str:
        """Return why a part that declares its ``needs`` makes no sense here; empty if it does."""
        lacking = missing(part, self)
        return lacking[1] if lacking else ""

    def add(self, new: Scores) -> None:
        """Take over results under their full names, or notes, that were not there before this command."""
        self.scores.add(new)
        self.fresh.add(new)

    def _of_this_run(self, protocol: object) -> object:
        """Add to a protocol how the examples were prepared, such as the crop, and what the model is conditional on.

        Likelihoods p(x|y) are not comparable with p(x). Scores of images are, so that theirs do not state it.
        """
        if not isinstance(protocol, dict):
            return protocol
        given = self.conditioned_on if "extractor_sha256" not in protocol else None
        return {**protocol, **self.data.test.preparation, **({"given": given} if given else {})}


def _prefixed(named: Mapping[str, T], split: str) -> dict[str, T]:
    return {f"{split}/{name}": value for name, value in named.items()}


class Counted(Generic[T]):
    """An iterable with a known length, so that its progress can be shown with the time left."""

    def __init__(self, steps: Iterable[T], total: int) -> None:
        self.steps, self.total = steps, total

    def __iter__(self) -> Iterator[T]:
        return iter(self.steps)

    def __len__(self) -> int:
        return self.total


_GENERATED = ("samples", "reconstructions")
_KINDS = {
    "samples": "samples",
    "reconstructions": "reconstructions",
    "train": "training images",
    "val": "validation images",
    "pool": "training images",
    "test": "test images",
}
