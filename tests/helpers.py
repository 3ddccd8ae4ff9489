"""Small substitutes for models and data, and readers of run folders, shared by several test modules."""

import csv
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from vae_lab.evaluation.conditions import unconditional
from vae_lab.evaluation.needs import missing
from vae_lab.examples import Examples
from vae_lab.functional import kl_normal
from vae_lab.likelihoods import MSE
from vae_lab.models.single_level import SingleLevel
from vae_lab.nets.dense import Dense
from vae_lab.noise import SeededNoise
from vae_lab.posteriors import DiagonalNormal
from vae_lab.scores import Scores
from vae_lab.types import Batch, Latents, Normal, Step

SHAPES = [(1, 8, 8), (3, 9, 11), (1, 28, 28), (2, 17, 32), (3, 64, 64)]
INF = float("inf")


def tensor(value: float) -> torch.Tensor:
    return torch.tensor(float(value))


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_model(
    likelihood=None, x_shape=(1, 8, 8), latent_dim=3, net=None, posterior=DiagonalNormal, **more
) -> SingleLevel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SingleLevel(net or Dense(16, 1), posterior, likelihood or MSE(), x_shape, latent_dim, **more)


def random_batch(n: int = 5, x_shape=(1, 8, 8), seed: int = 0) -> Batch:
    x = torch.rand((n, *x_shape), generator=gen(seed))
    return Batch(x, x, None)


def step(key: int = 0, epoch: float = INF) -> Step:
    return Step(tensor(0), tensor(epoch), SeededNoise("cpu", key), "model", 1000)


class GivenNoise:
    """Noise that returns prepared normal draws, one per call."""

    def __init__(self, *draws: torch.Tensor) -> None:
        self.draws = list(draws)

    def normal(self, *shape: int) -> torch.Tensor:
        draw = self.draws.pop(0)
        assert draw.shape == shape
        return draw

    def uniform(self, *shape: int) -> torch.Tensor:
        raise AssertionError("no uniform draws were prepared")


class ForbiddenNoise:
    """Noise that fails the test when it is drawn."""

    def normal(self, *shape: int) -> torch.Tensor:
        raise AssertionError("noise was drawn")

    uniform = normal


class FlowPosterior(DiagonalNormal):
    """A posterior that gives log q at its samples and no density elsewhere, as a flow does."""

    def forward(self, h, k, noise):
        z, _, q = super().forward(h, k, noise)
        log_q = torch.distributions.Normal(q.mu, torch.exp(0.5 * q.log_var)).log_prob(z).sum(-1)
        return z, log_q, None


def labelled(n: int, x_shape=(1, 8, 8), classes: int = 3, seed: int = 0) -> Examples:
    """Random images with labels. The first pixel of each image is its index, which identifies the image."""
    pixels = torch.randint(0, 256, (n, *x_shape), generator=gen(seed), dtype=torch.uint8)
    pixels.flatten(1)[:, 0] = torch.arange(n).to(torch.uint8)
    labels = torch.arange(n) % classes
    return Examples(pixels, labels, tuple(f"class{i}" for i in range(classes)))


def bytes_of(images: Examples) -> torch.Tensor:
    return images.at(torch.arange(len(images)))[0]


def places(images: torch.Tensor | Examples) -> list[int]:
    """The indices that ``labelled`` wrote into images; the images may be bytes or scaled to [0, 1]."""
    images = bytes_of(images) if isinstance(images, Examples) else images
    first = images.flatten(1)[:, 0]
    return (first if images.dtype == torch.uint8 else (first * 255).round()).long().tolist()


class GivenSource:
    """A source whose examples are already in memory."""

    def __init__(self, train: Examples, test: Examples) -> None:
        self.train, self.test = train, test

    def load(self, root: Any) -> tuple[Examples, Examples]:
        return self.train, self.test


def with_trainer(data: Any, rank: int = 0, world: int = 1) -> Any:
    """Attach a substitute for Lightning's trainer to a data module."""
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    data.trainer = SimpleNamespace(strategy=strategy, global_rank=rank, world_size=world)
    return data


class FakeData:
    """A dataset in memory, as metrics and figures receive it."""

    name = "fake"

    def __init__(self, test: Examples, train: Examples | None = None) -> None:
        self.test, self.pool = test, train or test
        self.train = self.val = self.pool
        self.x_shape, self.classes = tuple(test.stored.shape[1:]), test.classes
        self.factors, self.attributes = test.factors, test.attributes
        self.values, self.root, self.notes = test.values, Path(), list(test.notes)

    binarize = None
    normal = ()

    def as_received(self, clean: torch.Tensor, noise: Any) -> torch.Tensor:
        return clean

    def fingerprint(self, split: str, n: int | None = None) -> str:
        return hashlib.sha256(bytes_of(getattr(self, split))[:n].numpy().tobytes()).hexdigest()[:16]

    def clean(self, split: str, n: int | None = None, size: int = 1000):
        yield from (bytes_of(getattr(self, split))[:n].float() / 255).split(size)

    def batches(self, split: str, n: int | None = None, size: int = 1000, mixed: bool = False):
        part = getattr(self, split)
        index = torch.arange(len(part))[:n]
        for x, places in zip(self.clean(split, n, size), index.split(size)):
            yield Batch(x, x, part.at(places)[1])


class FakeExtractor:
    """A substitute for an extractor; the features of images are given to :class:`FakeTrained`."""

    def __init__(self, num_features: int = 6, suffix: str = "", sha256: str = "abc") -> None:
        self.num_features, self.suffix, self.sha256 = num_features, suffix, sha256

    @property
    def about(self) -> dict[str, Any]:
        return {"features": f"fake, {self.num_features}-d", "extractor_sha256": self.sha256}


class FakeTrained:
    """A substitute for a trained model with prepared results."""

    title = "fake model, latent_dim=3"
    device = torch.device("cpu")
    model = SimpleNamespace(
        likelihood=SimpleNamespace(fits_sigma=False),
        conditional=False,
        deterministic=False,
        latent_shapes=((3,),),
        infer=lambda x, *_: Latents((torch.zeros(1, len(x), 3),), (), (None,)),
    )
    conditions = staticmethod(unconditional)
    objective = SimpleNamespace(variational=True, matches_prior=True)
    seed = 0
    prior = None
    available = None
    learnt_from = "train"
    without_classifier = ""
    sampler = "prior, decoder means"
    known = Scores({})

    def __init__(self, test: Examples | None = None, **given: Any) -> None:
        self.data = FakeData(test if test is not None else labelled(12))
        self.history: list[dict[str, float]] = []
        self.scores = Scores({})
        self.classifier = self.extractor = None
        self.posterior = Normal(torch.zeros(12, 3), torch.zeros(12, 3))
        self.given_features: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self.given_factor_codes: torch.Tensor | None = None
        self.given_factor_log_var: torch.Tensor | None = None
        self.__dict__.update(given)
        self.extractor = self.extractor or self.classifier

    @property
    def ensemble(self):
        return (self,)

    @property
    def trained(self):
        return self

    def lacks(self, part) -> str:
        found = missing(part, self)
        return found[1] if found else ""

    def progress(self, steps, _):
        return steps

    def noise(self, purpose: str) -> SeededNoise:
        return SeededNoise("cpu", 0, purpose)

    def sample(self, n: int, purpose: str = "samples", size: int = 1000, y: torch.Tensor | None = None):
        yield from torch.rand((n, *self.data.x_shape), generator=gen()).split(size)

    def y_of_samples(self, n: int, purpose: str = "samples") -> None:
        return None

    def reconstruct(self, x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        return 1 - x

    def codes(self, split: str = "test", n: int | None = None, level: int = 0):
        return self.posterior, self.data.test.labels

    def kl(self, split: str = "test", n: int | None = None, level: int | None = None):
        return kl_normal(self.posterior.mu, self.posterior.log_var)

    def factor_codes(self):
        return self.given_factor_codes

    def factor_posteriors(self):
        return Normal(self.given_factor_codes, self.given_factor_log_var)

    def _given(self, source: str, n: int, which: int):
        found = self.given_features[source][which]
        assert len(found) >= n
        return found[:n]

    def features(self, source: str, n: int):
        return self._given(source, n, 0)

    def logits(self, source: str, n: int):
        return self._given(source, n, 1)

    class_logits = logits


def scored(n: int = 60, extractor: FakeExtractor | None = None, **features: torch.Tensor) -> FakeTrained:
    """A substitute for a trained model: n test and n training images with these features, also used as logits."""
    given = {source: (found, found) for source, found in features.items()}
    return FakeTrained(labelled(n), classifier=extractor or FakeExtractor(), given_features=given)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The weights in the last checkpoint of a run folder."""
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def curves_of(folder: Path) -> list[dict[str, str]]:
    """The rows of ``metrics.csv`` without the times, which differ between runs."""
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    return [{key: value for key, value in row.items() if key != "epoch_seconds"} for row in rows]


def scores_of(folder: Path) -> dict[str, float]:
    """The scores in ``results.json``."""
    return json.loads((folder / "results.json").read_text())["metrics"]
