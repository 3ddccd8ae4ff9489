"""Small models and images in memory, with which the metrics are called as ``vae-lab evaluate`` calls them."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch import distributions as D

from check_science.cases import SHAPE, SMALL, job_of, px
from vae_lab.data.dataset import Dataset
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Examples
from vae_lab.noise import SeededNoise, generator
from vae_lab.training.job import Job

CLASSES = ("a", "b", "c", "d")
TRAIN, TEST, FEATURES = 300, 60, 5


@dataclass
class InMemory:
    """A source of images that are in memory."""

    train: Examples
    test: Examples

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """The training and the test images."""
        return self.train, self.test


class Features:
    """An extractor: a fixed random network from images to features and to logits of the classes."""

    num_features, suffix = FEATURES, ""

    def __init__(self) -> None:
        random = generator("cpu", "features")
        self.first = 0.3 * torch.randn(math.prod(SHAPE), FEATURES, generator=random)
        self.second = 2 * torch.randn(FEATURES, len(CLASSES), generator=random)
        weights = self.first.numpy().tobytes() + self.second.numpy().tobytes()
        self.sha256 = hashlib.sha256(weights).hexdigest()  # features of real images are cached under it

    @property
    def about(self) -> dict[str, Any]:
        """Entries for protocols."""
        return {"features": "random", "extractor_sha256": self.sha256}

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W] to features [N, 5] and logits [N, 4]."""
        features = torch.tanh(x.flatten(1) @ self.first)
        return features, features @ self.second


def examples(n: int, shape: tuple[int, ...], seed: int, binary: bool = False) -> Examples:
    """Random images of four classes that differ in their brightness."""
    random, labels = generator("cpu", "examples", seed), torch.arange(n) % len(CLASSES)
    pixels = torch.randint(0, 120, (n, *shape), generator=random) + 40 * labels.view(-1, *[1] * len(shape)) // 2
    pixels = 255 * (pixels > 90) if binary else pixels
    return Examples(pixels.to(torch.uint8), labels, CLASSES)


def evaluation_of(job: Job, data: Dataset, seed: int = 0) -> Evaluation:
    """The argument of metrics."""
    features = Features()
    made = Evaluation(job, data, seed, torch.device("cpu"), features=lambda _: features)
    made.classifier = features
    return made


def evaluation(*words: str, likelihood: str = "mse", binary: bool = False, test: int = TEST) -> Evaluation:
    """A model with random weights, on random images."""
    source = InMemory(examples(TRAIN, SHAPE, 0, binary), examples(test, SHAPE, 1, binary))
    data = Dataset("random", source, Path(), batch_size=10, seed=0)
    return evaluation_of(job_of(*SMALL, *words, likelihood=likelihood, y_size=len(CLASSES)), data)


def images(evaluated: Evaluation, split: str) -> Tensor:
    """All images of a split in [0, 1]."""
    return torch.cat([*evaluated.data.clean(split)])


def q_of(evaluated: Evaluation, x: Tensor) -> D.Normal:
    """q(z|x) from the networks."""
    model: Any = evaluated.model
    features = model.encoder(x)
    return D.Normal(model.posterior.mu(features), (model.posterior.log_var(features) / 2).exp())


def log_px_of(evaluated: Evaluation, likelihood: str, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z) of codes [K, B, D]: [K, B]."""
    model: Any = evaluated.model
    out = model.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    return px(likelihood, out).log_prob(x.expand_as(out)).flatten(2).sum(2)


def draws(evaluated: Evaluation, purpose: str, *shape: int) -> Tensor:
    """The first draws that a metric makes for a purpose."""
    return SeededNoise("cpu", evaluated.seed, "evaluation", purpose).normal(*shape)
