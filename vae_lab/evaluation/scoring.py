"""Runs metrics on images that a model or a person made: what a trained model and given images have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vae_lab.evaluation.needs import usable
from vae_lab.examples import Data
from vae_lab.features.classifier import classifier_features, classifier_for
from vae_lab.features.remembered import remembered
from vae_lab.noise import SeededNoise
from vae_lab.scores import Extractor, Generated, Metric, Scores
from vae_lab.types import Progress, T

AT_ONCE = 250  # images that a network is given together
# Examples that the extractor reads together; elsewhere all there are. On a CPU each of 250 takes 1.4 times as long, of
# 1,000 three times: memory for activations of more than 32 MB is asked of the system anew.
READ_AT_ONCE = {"cpu": 100}

FeaturesFor = Callable[[Generated], Extractor | None]


def silent(steps: Iterable[T], description: str, /) -> Iterable[T]:
    """The steps themselves: no progress is shown."""
    return steps


class Scoring(ABC):
    """Images to score, the data they are held against, and what several scores share, computed once.

    Args:
        data: the dataset.
        seed: what all noise in scoring depends on.
        device: where to compute.
        title: key settings, for pictures.
        progress: (iterable, description) to the same iterable, shown.
        features: gives the network in whose features images are compared.
    """

    sampler: str  # how the images came about, for protocols
    told_of: str | None = None  # what the model knows of the images beside their pixels
    learnt_from = "pool"
    available: int | None = None
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
        self.scores = Scores({})
        self._features_for = features
        self._read: dict[tuple[str, str, int], tuple[Tensor, Tensor]] = {}

    @cached_property
    def classifier(self) -> Extractor | None:
        """Shipped, cached, or trained when first asked for."""
        with torch.enable_grad(), torch.inference_mode(False):
            return classifier_for(self.data, self.device, self.progress)

    @cached_property
    def extractor(self) -> Extractor | None:
        """What ``features=`` names."""
        return self._features_for(self)

    def noise(self, purpose: str, device: str | None = None) -> SeededNoise:
        """Noise that depends on the seed and the purpose only."""
        return SeededNoise(device or self.device, self.seed, "evaluation", purpose)

    @abstractmethod
    def sample(self, n: int, purpose: str = "samples", size: int = 1000) -> Iterator[Tensor]:
        """n images in [0, 1], [size, C, H, W] at a time."""

    def features(self, source: str, n: int) -> Tensor:
        """The extractor's features [n, F] of a kind of images, on the CPU."""
        return self._by(self.extractor, source, n)[0]

    def logits(self, source: str, n: int) -> Tensor:
        """The extractor's logits [n, classes] of a kind of images, on the CPU."""
        return self._by(self.extractor, source, n)[1]

    def class_logits(self, source: str, n: int) -> Tensor:
        """The classifier's logits [n, classes] of a kind of images, on the CPU."""
        return self._by(self.classifier, source, n)[1]

    def _by(self, network: Extractor | None, source: str, n: int) -> tuple[Tensor, Tensor]:
        if network is None:
            raise ValueError("the dataset has no labels, so there is no classifier")
        key = (network.sha256, source, n)
        if key not in self._read:
            self._read[key] = self._made(network, source, n) if source in _MADE else self._real(network, source, n)
        return self._read[key]

    def _real(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        """From the cache, where these images were read by this network before."""
        key = f"{self.data.fingerprint(source, n)}-{network.sha256}"
        return remembered(key, lambda: self._through(network, self.data.clean(source, n), source, n))

    def _made(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        return self._through(network, self.sample(n), source, n)

    def _through(self, network: Extractor, images: Iterable[Tensor], source: str, n: int) -> tuple[Tensor, Tensor]:
        shown = self.progress(Counted(images, -(-n // 1000)), f"reading {n:,} {_KINDS[source]}")
        with torch.inference_mode():
            parts = [network(part) for x in shown for part in x.split(READ_AT_ONCE.get(x.device.type, len(x)))]
        features, logits = (torch.cat(part).float().cpu() for part in zip(*parts))
        return features, logits

    def run(self, metrics: Mapping[str, Metric]) -> Scores:
        """Each metric in turn; the names of its values are prefixed with ``test/``.

        A metric that needs what this run does not have is left out, and a note says why.
        """
        found, notes = usable(metrics, self)
        self.scores.notes.extend(note for note in notes if note not in self.scores.notes)
        for metric in found.values():
            with torch.inference_mode():
                new = metric(self)  # type: ignore[arg-type]
            self.scores.values.update(_prefixed(new.values))
            self.scores.intervals.update(_prefixed(new.intervals))
            self.scores.meanings.update(_prefixed(new.meanings))
            self.scores.protocol.update({name: self._told(part) for name, part in new.protocol.items()})
            self.scores.arrays.update(new.arrays)
            self.scores.tables.update(new.tables)
            self.scores.notes.extend(note for note in new.notes if note not in self.scores.notes)
        return self.scores

    def _told(self, protocol: Any) -> Any:
        """Likelihoods p(x|y) do not compare with p(x); scores of images do, whatever their generator was told."""
        counts = self.told_of and isinstance(protocol, dict) and "extractor_sha256" not in protocol
        return {**protocol, "given": self.told_of} if counts else protocol


def _prefixed(named: Mapping[str, T]) -> dict[str, T]:
    return {f"test/{name}": value for name, value in named.items()}


class Counted:
    """An iterable whose length is known beforehand, so that its progress can be shown with the time left."""

    def __init__(self, steps: Iterable[Any], total: int) -> None:
        self.steps, self.total = steps, total

    def __iter__(self) -> Iterator[Any]:
        return iter(self.steps)

    def __len__(self) -> int:
        return self.total


_MADE = ("samples", "reconstructions")
_KINDS = {
    "samples": "samples",
    "reconstructions": "reconstructions",
    "train": "training images",
    "pool": "training images",
    "test": "test images",
}
