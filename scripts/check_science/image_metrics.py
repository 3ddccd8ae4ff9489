"""Scores of generated images: FID, KID, precision and recall, Inception Score, labels, novelty."""

import warnings
from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from scipy import linalg, stats
from torch import Tensor, nn

from check_science.checks import Found, check
from check_science.evaluated import TEST, TRAIN, Features, evaluation, images
from vae_lab.metrics.conditional_accuracy import ConditionalAccuracy
from vae_lab.metrics.fid import FID, Reference, fid_infinity, frechet
from vae_lab.metrics.inception_score import InceptionScore
from vae_lab.metrics.kid import KID
from vae_lab.metrics.label_distribution import LabelDistribution
from vae_lab.metrics.novelty import Novelty
from vae_lab.metrics.prdc import PRDC, neighbourhoods
from vae_lab.metrics.val_fid import ValidationFID


class Given(nn.Module):
    """A feature extractor of torchmetrics that returns its input."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        """The features."""
        return features


@cache
def compared() -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, float]]:
    """Features and logits of each kind of images, and every score of them."""
    made = evaluation()
    with torch.no_grad():  # a decoder whose images vary as much as those of the data
        for parameter in made.model.decoder.parameters():  # type: ignore[attr-defined]
            parameter.mul_(1.7)
    kinds = {"samples": torch.cat([*made.sample(TEST)]), "test": images(made, "test"), "train": images(made, "train"),
             "val": images(made, "val"), "reconstructions": made.reconstruct(images(made, "test")),
             "pool": torch.cat([*made.data.clean("pool", TEST)])}  # fmt: skip
    read = {name: Features()(x) for name, x in kinds.items()}
    metrics = {"fid": FID(), "kid": KID(), "prdc": PRDC(), "is": InceptionScore(), "labels": LabelDistribution(),
               "novelty": Novelty(), "val_fid": ValidationFID()}  # fmt: skip
    values = made.run(metrics).values
    scores = {name.removeprefix("test/"): value for name, value in values.items()}
    return {k: v[0].detach() for k, v in read.items()}, {k: v[1].detach() for k, v in read.items()}, scores


def through_torchmetrics(name: str, fake: Tensor, real: Tensor) -> float:
    """FID or KID of torchmetrics, in double precision; KID with all images as one subset."""
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about its buffers
        made = (FrechetInceptionDistance(feature=Given(fake.shape[1])) if name == "fid" else
                KernelInceptionDistance(feature=Given(fake.shape[1]), subsets=1, subset_size=len(fake)))  # fmt: skip
        made = made.set_dtype(torch.float64)
        made.update(real, real=True)
        made.update(fake, real=False)
        found = made.compute()
    return float(found if name == "fid" else found[0])


def frechet_distance(mu1: np.ndarray, cov1: np.ndarray, mu2: np.ndarray, cov2: np.ndarray) -> float:
    """‖μ1 − μ2‖² + tr(Σ1 + Σ2 − 2 (Σ1 Σ2)^½) with SciPy's matrix root (arXiv 1706.08500, eq. 6)."""
    return float(((mu1 - mu2) ** 2).sum() + np.trace(cov1 + cov2 - 2 * linalg.sqrtm(cov1 @ cov2).real))


def moments(features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance by NumPy."""
    return features.numpy().mean(0), np.cov(features.numpy(), rowvar=False)


@check("metrics", "fid", "fid", "fid_floor", "fid_reconstructions", "fid of 5,000 images in 64 features", slow=True,
       reference="torchmetrics, and SciPy's matrix root (arXiv 1706.08500, eq. 6)")  # fmt: skip
def fid() -> Iterator[Found]:
    """Scores of a model, and of correlated features of which some are constant."""
    features, _, scores = compared()
    for name, source in (("fid", "samples"), ("fid_floor", "pool"), ("fid_reconstructions", "reconstructions")):
        for right in (through_torchmetrics("fid", features[source], features["test"]),
                      frechet_distance(*moments(features[source]), *moments(features["test"]))):  # fmt: skip
            yield name, scores[name], right
    random = torch.Generator().manual_seed(0)
    a, b = (torch.randn(5000, 64, generator=random) @ torch.randn(64, 64, generator=random) for _ in range(2))
    yield "fid of 5,000 images in 64 features", frechet(a, b), through_torchmetrics("fid", a, b)


@check("metrics", "val_fid", "val/fid", reference="torchmetrics, and SciPy's matrix root (arXiv 1706.08500, eq. 6)")
def val_fid() -> Iterator[Found]:
    """As many samples as there are validation images."""
    features, _, scores = compared()
    real = features["val"]
    fake = features["samples"][: len(real)]
    for right in (through_torchmetrics("fid", fake, real), frechet_distance(*moments(fake), *moments(real))):
        yield "val/fid", scores["val/fid"], right


@check("metrics", "fid", "fid_infinity", statistical=True,
       reference="the distance of the Gaussian that 150 sets are drawn from (arXiv 1911.07023, section 4)")  # fmt: skip
def fid_of_infinitely_many() -> Iterator[Found]:
    """1,500 images in 4 features, compared with 400 fixed ones."""
    random = torch.Generator().manual_seed(0)
    fixed, root = torch.randn(400, 4, generator=random), torch.randn(4, 4, generator=random)
    reference = Reference(fixed)
    estimates = [fid_infinity(torch.randn(1500, 4, generator=random) @ root.T + 0.5, reference, i) for i in range(150)]
    right = frechet_distance(np.full(4, 0.5), (root @ root.T).numpy(), *moments(fixed))
    yield "fid_infinity", estimates, right


@check("metrics", "kid", "kid", "kid_floor", reference="torchmetrics, all images as one subset (arXiv 1801.01401)")
def kid() -> Iterator[Found]:
    """The unbiased estimate."""
    features, _, scores = compared()
    for name, source in (("kid", "samples"), ("kid_floor", "pool")):
        yield name, scores[name], through_torchmetrics("kid", features[source], features["test"])


@check("metrics", "inception_score", "inception_score", reference="torchmetrics, one split (arXiv 1606.03498)")
def inception_score() -> Iterator[Found]:
    """exp E KL[p(y|x) ‖ p(y)]."""
    from torchmetrics.image.inception import InceptionScore as Theirs

    _, logits, scores = compared()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        theirs = Theirs(feature=Given(logits["samples"].shape[1]), splits=1).set_dtype(torch.float64)
        theirs.update(logits["samples"])
        yield "inception_score", scores["inception_score"], theirs.compute()[0]


@check("metrics", "prdc", "precision", "recall", "density", "coverage",
       reference="loops over NumPy distances; torch-fidelity (arXiv 1904.06991; 2002.09797, eq. 4 and 5)")  # fmt: skip
def prdc() -> Iterator[Found]:
    """k = 5."""
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    features, _, scores = compared()
    names = ("precision", "recall", "density", "coverage")
    yield from zip(names, [scores[name] for name in names], prdc_by_loops(features["test"], features["samples"]))
    for shift in (0.0, 0.5, 1.0, 2.0):
        random = torch.Generator().manual_seed(int(10 * shift))
        real, fake = torch.randn(150, 3, generator=random), shift + torch.randn(120, 3, generator=random)
        found = vars(neighbourhoods(real, fake, 5))
        ours = [found[name].mean() for name in names]
        yield from zip(names, ours, prdc_by_loops(real, fake))
        yield from zip(names, ours, calculate_precision_recall_full(fake, real, 5))


def prdc_by_loops(real: Tensor, fake: Tensor, k: int = 5) -> list[float]:
    """Precision, recall, density and coverage by their definitions, from full distance matrices."""
    x, y = real.numpy(), fake.numpy()

    def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(2))

    between = distances(x, y)
    reach_real, reach_fake = (np.sort(distances(part, part), 1)[:, k] for part in (x, y))
    inside = between < reach_real[:, None]
    return [inside.any(0).mean(), (between < reach_fake[None]).any(1).mean(), inside.sum(0).mean() / k,
            inside.any(1).mean()]  # fmt: skip


@check("metrics", "label_distribution", "label_distance", "label_confidence", reference="½ Σ |p − q|, NumPy counts")
def label_distribution() -> Iterator[Found]:
    """Total variation between the classes of samples and those of the test images."""
    _, logits, scores = compared()
    read = logits["samples"].numpy()
    found = np.bincount(read.argmax(1), minlength=4) / TEST
    yield "label_distance", scores["label_distance"], 0.5 * np.abs(found - np.full(4, 0.25)).sum()
    probabilities = np.exp(read) / np.exp(read).sum(1, keepdims=True)
    yield "label_confidence", scores["label_confidence"], probabilities.max(1).mean()


@check("metrics", "novelty", "novelty_closer", "near_copies",
       reference="scikit-learn's nearest neighbours, SciPy's Mann–Whitney U (arXiv 2004.05675)")  # fmt: skip
def novelty() -> Iterator[Found]:
    """P(a sample is nearer to a training image than a test image is)."""
    from sklearn.neighbors import NearestNeighbors

    features, _, scores = compared()
    train = features["train"].numpy()
    assert len(train) < TRAIN  # a part of the training images is held out for validation
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(train)
    of_samples, of_test = (search.kneighbors(features[kind].numpy())[0][:, 0] for kind in ("samples", "test"))
    closer = stats.mannwhitneyu(of_test, of_samples).statistic / (len(of_test) * len(of_samples))
    yield "novelty_closer", scores["novelty_closer"], closer
    quantile = np.quantile(of_test, 0.01, method="weibull")
    yield "near_copies", scores["near_copies"], (of_samples < quantile).mean()


@check("metrics", "conditional_accuracy", "conditional_accuracy", reference="scikit-learn's accuracy_score")
def conditional_accuracy() -> Iterator[Found]:
    """The share of samples of a conditional model that show the requested class."""
    from sklearn.metrics import accuracy_score

    made = evaluation("conditional=true")
    ours = made.run({"conditional_accuracy": ConditionalAccuracy(samples=200)}).values["test/conditional_accuracy"]
    requested = torch.arange(200) % 4
    x = torch.cat([*made.sample(200, "conditional accuracy", y=requested)])
    yield "conditional_accuracy", ours, accuracy_score(requested, Features()(x)[1].argmax(1))
