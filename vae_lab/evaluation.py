"""Runs metrics and figures on a trained model; implements :class:`vae_lab.types.Trained` for them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from vae_lab.job import Job
from vae_lab.metrics.classifier import classifier_for
from vae_lab.noise import SeededNoise
from vae_lab.types import Classifier, Metric, Normal, Scores

T = TypeVar("T")
Progress = Callable[[Iterable[T], str], Iterable[T]]


def silent(steps: Iterable[T], _: str) -> Iterable[T]:
    """No progress shown."""
    return steps


class Evaluation:
    """A trained model in evaluation mode, its data, and what several scores share, computed once.

    Args:
        job: the trained model with its objective.
        data: the dataset.
        seed: what all noise in scoring depends on.
        device: where to compute.
        title: the run's key settings, for pictures.
        history: one row of terms per epoch.
        progress: (iterable, description) to the same iterable, shown.
    """

    def __init__(
        self,
        job: Job,
        data: Any,
        seed: int,
        device: torch.device,
        title: str = "",
        history: list[dict[str, float]] | None = None,
        progress: Progress = silent,
    ) -> None:
        job.to(device).eval()
        data.device = device
        self.model, self.objective, self.data = job.model, job.objective, data
        self.seed, self.device, self.title, self.progress = seed, device, title, progress
        self.history = history or []
        self.scores = Scores({})
        self._features: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}
        self._codes: tuple[Normal, Tensor | None] | None = None

    @cached_property
    def classifier(self) -> Classifier | None:
        """Shipped, cached, or trained when first asked for."""
        with torch.enable_grad(), torch.inference_mode(False):
            return classifier_for(self.data, self.device, self.progress)

    def noise(self, purpose: str) -> SeededNoise:
        """Noise that depends on the seed and the purpose only."""
        return SeededNoise(self.device, self.seed, "evaluation", purpose)

    def sample(self, n: int, purpose: str = "samples", size: int = 1000) -> Iterator[Tensor]:
        """n decoded means of prior draws; the first n are the same whatever n is."""
        yield from decoded_prior(self.model, n, self.device, self.seed, purpose, size)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Decoded means of the posterior means."""
        with torch.inference_mode():
            latents = self.model.infer(x, None, 1, self.noise("reconstructions"))
            means = (z if q is None else q.mu.unsqueeze(0) for z, q in zip(latents.z, latents.q))
            return self.model.likelihood.mean(self.model.decode(tuple(means), None))[0]

    def codes(self) -> tuple[Normal, Tensor | None]:
        """The posterior of every test image (the top level's, where there are several), on the CPU."""
        if self._codes is None:
            noise, found, labels = self.noise("codes"), [], []
            with torch.inference_mode():
                for batch in self.data.batches("test"):
                    latents = self.model.infer(batch.x, batch.y, 1, noise)
                    q = latents.q[0] or Normal(latents.z[0][0], torch.zeros_like(latents.z[0][0]))
                    found.append((q.mu.flatten(1).cpu(), q.log_var.flatten(1).cpu()))
                    labels.append(batch.y)
            mu, log_var = (torch.cat(parts) for parts in zip(*found))
            y = None if labels[0] is None else torch.cat([y.cpu() for y in labels])
            self._codes = Normal(mu, log_var), y
        return self._codes

    def features(self, source: str, n: int) -> tuple[Tensor, Tensor]:
        """Classifier features [n, F] and logits [n, classes] of a kind of images, on the CPU."""
        classifier, key = self.classifier, (source, n)
        if classifier is None:
            raise ValueError("the dataset has no labels, so there is no classifier")
        if key not in self._features:
            images = self._images(source, n)
            with torch.inference_mode():
                parts = [classifier(x) for x in self.progress(images, f"reading {n:,} {_KINDS[source]}")]
            features, logits = (torch.cat(part).cpu() for part in zip(*parts))
            self._features[key] = features, logits
        return self._features[key]

    def _images(self, source: str, n: int) -> list[Tensor] | Iterator[Tensor]:
        if source == "samples":
            return self.sample(n)
        if source == "reconstructions":
            return (self.reconstruct(batch.x) for batch in self.data.batches("test", n))
        return self.data.images(source, n)

    def run(self, metrics: Mapping[str, Metric]) -> Scores:
        """Each metric in turn; their values are prefixed with ``test/``."""
        for metric in metrics.values():
            with torch.inference_mode():
                new = metric(self)
            self.scores.values.update({f"test/{name}": value for name, value in new.values.items()})
            self.scores.protocol.update(new.protocol)
            self.scores.arrays.update(new.arrays)
            self.scores.notes.extend(new.notes)
        return self.scores


def decoded_prior(
    model: Any, n: int, device: torch.device, seed: int, purpose: str, size: int = 1000
) -> Iterator[Tensor]:
    """n decoded means of draws from a model's prior, [size, C, H, W] at a time: a function of weights and seed."""
    for start in range(0, n, size):
        noise = SeededNoise(device, seed, "evaluation", purpose, start)
        with torch.inference_mode():
            z = model.prior_sample(size, None, noise)
            images = model.likelihood.mean(model.decode(z, None))[0]
        yield images[: n - start]


_KINDS = {
    "samples": "samples",
    "reconstructions": "reconstructions",
    "pool": "training images",
    "test": "test images",
}
