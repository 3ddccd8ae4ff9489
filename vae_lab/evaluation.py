"""Runs metrics and figures on images that a model or a person made.

:class:`Evaluation` implements :class:`vae_lab.types.Trained`, its base :class:`vae_lab.types.Generated`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from vae_lab.conditions import Conditions, as_in_training, in_turn, unconditional
from vae_lab.job import Job
from vae_lab.metrics.classifier import classifier_features, classifier_for
from vae_lab.metrics.reference import remembered
from vae_lab.noise import SeededNoise
from vae_lab.types import Extractor, Generated, Metric, Normal, Sampler, Scores

AT_ONCE = 250  # images: of 1,000 and more each takes twice as long on a CPU, since activations leave the cache
PRIOR = "decoder means of draws from the prior"

T = TypeVar("T")
Progress = Callable[[Iterable[T], str], Iterable[T]]
FeaturesFor = Callable[[Generated], Extractor | None]


def silent(steps: Iterable[T], _: str) -> Iterable[T]:
    """No progress shown."""
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
        data: Any,
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
        return remembered(key, lambda: self._through(network, self.data.images(source, n), source, n))

    def _made(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        return self._through(network, self.sample(n), source, n)

    def _through(self, network: Extractor, images: Iterable[Tensor], source: str, n: int) -> tuple[Tensor, Tensor]:
        shown = self.progress(_counted(images, -(-n // 1000)), f"reading {n:,} {_KINDS[source]}")
        with torch.inference_mode():
            parts = [network(part) for x in shown for part in x.split(AT_ONCE)]
        features, logits = (torch.cat(part).float().cpu() for part in zip(*parts))
        return features, logits

    def run(self, metrics: Mapping[str, Metric]) -> Scores:
        """Each metric in turn; the names of its values are prefixed with ``test/``."""
        for metric in metrics.values():
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


class Evaluation(Scoring):
    """A trained model in evaluation mode, with its data.

    Args:
        job: the trained model with its objective.
        history: one row of terms per epoch.
        data, seed, device, title, progress, features: see :class:`Scoring`.
    """

    sampler = PRIOR
    drawn = ""  # what protocols say of the y of samples
    learnt_from = "train"

    def __init__(
        self,
        job: Job,
        data: Any,
        seed: int,
        device: torch.device,
        title: str = "",
        history: list[dict[str, float]] | None = None,
        progress: Progress = silent,
        features: FeaturesFor = classifier_features,
    ) -> None:
        super().__init__(data, seed, device, title, progress, features)
        job.to(device).eval()
        self.model, self.objective = job.model, job.objective
        self.history = history or []
        self.conditions: Conditions = unconditional
        if self.model.conditional:
            self.conditions = as_in_training(data.train)
            known = "attributes" if data.attributes else "labels"
            self.told_of, self.drawn = f"the images' {known}", f", {known} drawn as in training"
            self.sampler = PRIOR + self.drawn
        self._codes: dict[tuple[str, int | None], tuple[Normal, Tensor | None]] = {}
        self._factor_codes: Tensor | None = None

    def sample(self, n: int, purpose: str = "samples", size: int = 1000, y: Tensor | None = None) -> Iterator[Tensor]:
        """n decoded means of prior draws; the first n are the same whatever n is.

        A conditional model decodes the rows of y in turn, or y drawn as in training; z does not depend on which.
        """
        conditions = self.conditions if y is None else in_turn(y)
        yield from decoded_prior(self.model, n, self.device, self.seed, purpose, size, conditions)

    def _made(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        if source == "samples":
            return super()._made(network, source, n)
        images = (self.reconstruct(batch.x, batch.y) for batch in self.data.batches("test", n))
        return self._through(network, images, source, n)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Decoded means of the posterior means; y is what a conditional model is told of the images."""
        y = None if y is None else y.to(x.device)
        with torch.inference_mode():
            latents = self.model.infer(x, y, 1, self.noise("reconstructions"))
            means = (z if q is None else q.mu.unsqueeze(0) for z, q in zip(latents.z, latents.q))
            return self.model.likelihood.mean(self.model.decode(tuple(means), y))[0]

    def codes(self, split: str = "test", n: int | None = None) -> tuple[Normal, Tensor | None]:
        """The posterior of n images of a split (the top level's, where there are several), on the CPU."""
        if (split, n) not in self._codes:
            parts = [(self._posterior(batch.x, batch.y), batch.y) for batch in self._shown_batches(split, n)]
            q = Normal(torch.cat([q.mu for q, _ in parts]), torch.cat([q.log_var for q, _ in parts]))
            labels = [y.cpu() for _, y in parts if y is not None and not self.data.attributes]
            self._codes[split, n] = q, torch.cat(labels) if labels else None
        return self._codes[split, n]

    def code_draws(self) -> Tensor:
        """One draw of q(z|x) per training image (top level, flattened; the mean where nothing is drawn): [N, D].

        Computed anew with the same draws each time, on the CPU: what samplers are fitted to.
        """
        noise, drawn, found = self.noise("codes of samplers"), self.objective.variational, []
        with torch.inference_mode():
            for batch in self._shown_batches("train", None):
                latents = self.model.infer(batch.x, batch.y, 1, noise)
                q = latents.q[0]
                found.append((latents.z[0][0] if drawn or q is None else q.mu).flatten(1).cpu())
        return torch.cat(found).clone()

    def _shown_batches(self, split: str, n: int | None) -> Iterable[Any]:
        total = min(n or len(getattr(self.data, split)), len(getattr(self.data, split)))
        return self.progress(_counted(self.data.batches(split, n), -(-total // 1000)), f"encoding {total:,} images")

    def factor_codes(self) -> Tensor:
        """Posterior means [M, D] of every image of ``data.factors``, on the CPU."""
        factors = self.data.factors
        if factors is None:
            raise ValueError("the dataset has no known factors")
        if self._factor_codes is None:
            total = len(factors.pixels)
            parts = torch.arange(total).split(AT_ONCE)
            places = self.progress(parts, f"encoding all {total:,} images")
            pixels = ((factors.pixels[index].to(self.device).float().div_(255), index) for index in places)
            known = self.data.pool.targets  # of every image, whatever split it is in
            told = ((x, None if known is None else known[index].to(self.device)) for x, index in pixels)
            self._factor_codes = torch.cat([self._posterior(x, y).mu for x, y in told])
        return self._factor_codes

    def _posterior(self, x: Tensor, y: Tensor | None) -> Normal:
        with torch.inference_mode():
            latents = self.model.infer(x, y, 1, self.noise("codes"))
            q = latents.q[0] or Normal(latents.z[0][0], torch.zeros_like(latents.z[0][0]))
            return Normal(q.mu.flatten(1).cpu(), q.log_var.flatten(1).cpu())


def _prefixed(named: Mapping[str, T]) -> dict[str, T]:
    return {f"test/{name}": value for name, value in named.items()}


class _counted:
    """An iterable whose length is known beforehand, so that its progress can be shown with the time left."""

    def __init__(self, steps: Iterable[Any], total: int) -> None:
        self.steps, self.total = steps, total

    def __iter__(self) -> Iterator[Any]:
        return iter(self.steps)

    def __len__(self) -> int:
        return self.total


def decoded_codes(
    model: Any,
    sampler: Sampler,
    n: int,
    device: torch.device,
    seed: int,
    purpose: str,
    size: int = 1000,
    conditions: Conditions = unconditional,
) -> Iterator[Tensor]:
    """n decoded means of a sampler's draws, [size, C, H, W] at a time; codes are drawn on the CPU, for all devices."""
    for start in range(0, n, size):
        noise = SeededNoise("cpu", seed, "evaluation", purpose, start)
        with torch.inference_mode():
            z = sampler.sample(size, noise).to(device)
            y = _conditions(conditions, start, size, device, seed, purpose)
            images = model.likelihood.mean(model.decode((z.unsqueeze(0),), y))[0]
        yield images[: n - start]


def decoded_prior(
    model: Any,
    n: int,
    device: torch.device,
    seed: int,
    purpose: str,
    size: int = 1000,
    conditions: Conditions = unconditional,
) -> Iterator[Tensor]:
    """n decoded means of draws from a model's prior, [size, C, H, W] at a time: a function of weights and seed."""
    for start in range(0, n, size):
        noise = SeededNoise(device, seed, "evaluation", purpose, start)
        with torch.inference_mode():
            y = _conditions(conditions, start, size, device, seed, purpose)
            z = model.prior_sample(size, y, noise)
            images = model.likelihood.mean(model.decode(z, y))[0]
        yield images[: n - start]


def _conditions(
    conditions: Conditions, start: int, size: int, device: torch.device, seed: int, purpose: str
) -> Tensor | None:
    """The y of a block of samples: the same whatever its codes are drawn from, and wherever it is computed."""
    y = conditions(start, size, SeededNoise("cpu", seed, "evaluation", purpose, start, "y"))
    return None if y is None else y.to(device)


_MADE = ("samples", "reconstructions")
_KINDS = {
    "samples": "samples",
    "reconstructions": "reconstructions",
    "train": "training images",
    "pool": "training images",
    "test": "test images",
}
