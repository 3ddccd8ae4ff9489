"""Scores of attributes: vectors by loops over cells and by a general optimiser, leakage by loops over images."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from check_science.cases import SHAPE, SMALL, job_of
from check_science.checks import Found, check
from check_science.evaluated import Features, InMemory, images, q_of
from vae_lab.data.dataset import Dataset
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Examples
from vae_lab.metrics.attributes import AttributeScores
from vae_lab.noise import generator

NAMES = ("a", "b", "c")
TRAIN, TEST = 600, 80


class Reader(Features):
    """A fixed random network whose logits are those of three attributes."""

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W] to features [N, 5] and logits [N, 3]."""
        features, logits = super().__call__(x)
        return features, logits[:, : len(NAMES)]


def examples(n: int, seed: int) -> Examples:
    """Random images that are brighter in one third for each attribute; the first two attributes go together."""
    random = generator("cpu", "attributes", seed)
    first, third = (torch.rand(n, generator=random) < 0.4 for _ in range(2))
    second = first == (torch.rand(n, generator=random) < 0.75)
    present = torch.stack([first, second, third], 1)
    pixels = torch.randint(0, 90, (n, *SHAPE), generator=random)
    pixels += 120 * present[:, None, :, None]
    return Examples(pixels.to(torch.uint8), present.float(), attributes=NAMES)


def evaluation() -> Evaluation:
    """A model with random weights."""
    data = Dataset("random", InMemory(examples(TRAIN, 0), examples(TEST, 1)), Path(), batch_size=10, seed=0)
    made = Evaluation(job_of(*SMALL), data, 0, torch.device("cpu"))
    made.classifier = Reader()
    return made


def vectors_by_loops(z: np.ndarray, present: np.ndarray, a: int) -> tuple[np.ndarray, np.ndarray]:
    """The raw vector, and the mean over the cells of the other attributes of the differences within them."""
    raw = z[present[:, a]].mean(0) - z[~present[:, a]].mean(0)
    others, differences = [b for b in range(len(NAMES)) if b != a], []
    for cell in product((False, True), repeat=len(others)):
        inside = (present[:, others] == cell).all(1)
        differences.append(z[inside & present[:, a]].mean(0) - z[inside & ~present[:, a]].mean(0))
    return raw, np.mean(differences, 0)


def best_by_loops(scores: np.ndarray, present: np.ndarray) -> float:
    """The lowest threshold with the best accuracy, among those in the middle between two neighbouring scores."""
    ordered = np.sort(scores)
    ordered = np.concatenate([[ordered[0] - 1], ordered, [ordered[-1] + 1]])
    middles = (ordered[1:] + ordered[:-1]) / 2
    return float(middles[int(np.argmax([((scores > t) == present).mean() for t in middles]))])


@check("metrics", "attributes", "attribute_accuracy", "attribute_effect", "attribute_leakage", "attribute_leakage_raw",
       reference="loops over cells, thresholds and images (arXiv 1609.04468, section 3)")  # fmt: skip
def attributes() -> Iterator[Found]:
    """Three attributes, of which two go together."""
    made = evaluation()
    scores = made.run({"attributes": AttributeScores()})
    z, held = {}, {}
    for split in ("train", "test"):
        z[split] = q_of(made, images(made, split)).loc.detach().numpy()
        part = getattr(made.data, split)
        assert part.y is not None
        held[split] = part.y.numpy() > 0.5
    accuracies, effects, leaked, leaked_raw = [], [], [], []
    for a in range(len(NAMES)):
        raw, corrected = vectors_by_loops(z["train"], held["train"], a)
        threshold = best_by_loops(z["train"] @ corrected, held["train"][:, a])
        accuracies.append(((z["test"] @ corrected > threshold) == held["test"][:, a]).mean())
        lacking = z["test"][~held["test"][:, a]]
        for vector, into in ((corrected, leaked), (raw, leaked_raw)):
            change = np.mean([read(made, code + vector) - read(made, code) for code in lacking], 0)
            into += [abs(change[b]) for b in range(len(NAMES)) if b != a]
            effects += [change[a]] if vector is corrected else []
    yield "attribute_accuracy", scores.values["test/attribute_accuracy"], np.mean(accuracies)
    yield "attribute_effect", scores.values["test/attribute_effect"], np.mean(effects)
    yield "attribute_leakage", scores.values["test/attribute_leakage"], np.mean(leaked)
    yield "attribute_leakage_raw", scores.values["test/attribute_leakage_raw"], np.mean(leaked_raw)


def read(made: Evaluation, code: np.ndarray) -> np.ndarray:
    """The probabilities [3] that the classifier reads from the image of one code [D]."""
    x = torch.sigmoid(made.model.decoder(torch.from_numpy(code)[None]))  # type: ignore[operator]
    logits = Reader()(x)[1][0].detach().numpy()
    return 1 / (1 + np.exp(-logits))


@check("metrics", "attributes", "normal of the support vector machine",
       reference="SciPy's BFGS on the squared hinge loss")  # fmt: skip
def svm() -> Iterator[Found]:
    """The direction of ``metrics.attributes.method=svm``, in units of the distance of the means."""
    from vae_lab.latents.attribute_vectors import mean_difference, svm_vector

    made = evaluation()
    codes = q_of(made, images(made, "train")).loc.detach()
    present = made.data.train.y[:, 0] > 0.5  # type: ignore[index]
    z = codes.numpy() - codes.numpy().mean(0)
    padded, y = np.c_[z / np.sqrt((z**2).mean()), np.ones(len(z))], np.where(present.numpy(), 1.0, -1.0)
    costs = np.where(present.numpy(), 0.5 * len(z) / present.sum().item(), 0.5 * len(z) / (~present).sum().item())

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        slack = np.maximum(0, 1 - y * (padded @ w))
        return 0.5 * w @ w + (costs * slack**2).sum(), w - 2 * padded.T @ (costs * y * slack)

    w = optimize.minimize(loss, np.zeros(padded.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9}).x[:-1]
    ours = svm_vector(codes, present) / mean_difference(codes, present).norm()
    yield "normal of the support vector machine", ours, w / np.linalg.norm(w)
