"""Anomaly scores, and the scores of pixels."""

import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage, optimize, stats
from torch import Tensor
from torch import distributions as D

from check_science.cases import PRIOR
from check_science.checks import Found, check
from check_science.evaluated import TEST, evaluation, images, log_px_of, q_of
from vae_lab.evaluation.trained import Evaluation
from vae_lab.metrics.anomaly_scores.importance import ImportanceNLL
from vae_lab.metrics.anomaly_scores.input_complexity import InputComplexity
from vae_lab.metrics.anomaly_scores.judged import Judged
from vae_lab.metrics.anomaly_scores.latent_path import LatentPath
from vae_lab.metrics.anomaly_scores.likelihood_regret import LikelihoodRegret
from vae_lab.metrics.anomaly_scores.terms import KL, NegativeELBO, Recon
from vae_lab.metrics.anomaly_scores.typicality import Typicality
from vae_lab.metrics.anomaly_scores.waic import WAIC
from vae_lab.metrics.common.regions import region_overlap
from vae_lab.metrics.pixel_anomaly import PixelAnomaly
from vae_lab.noise import NoNoise

CONSTANT = 6 * math.log(math.pi)  # of the squared error of 12 values
DEFINITION = "the definition, with torch.distributions and the same draws"


def judged(made: Evaluation) -> Judged:
    """All test images."""
    return Judged.of_split(made, "test", None, "test")


def terms(made: Evaluation, x: Tensor, purpose: str) -> tuple[Tensor, Tensor]:
    """−log p(x|z), the mean over four draws of z, and the KL: [n] nats each; 62 images are drawn for at a time."""
    q, noise = q_of(made, x), made.noise(purpose)
    z = q.loc + q.scale * torch.cat([noise.normal(4, len(part), 3) for part in x.split(62)], 1)
    return -log_px_of(made, "mse", x, z).mean(0), D.kl_divergence(q, PRIOR).sum(1)


@check("scores", "elbo", "−elbo", reference=DEFINITION)
def elbo() -> Iterator[Found]:
    """Sixty images."""
    made = evaluation()
    yield "−elbo", NegativeELBO()(made, judged(made)), sum(terms(made, images(made, "test"), "test"))


@check("scores", "recon", "recon", reference=DEFINITION)
def recon() -> Iterator[Found]:
    """Sixty images."""
    made = evaluation()
    yield "recon", Recon()(made, judged(made)), terms(made, images(made, "test"), "test")[0] - CONSTANT


@check("scores", "kl", "kl", reference="torch.distributions.kl_divergence")
def kl() -> Iterator[Found]:
    """Sixty images."""
    made = evaluation()
    yield "kl", KL()(made, judged(made)), terms(made, images(made, "test"), "test")[1]


@check("scores", "nll", "−L_64", reference=f"{DEFINITION} (arXiv 1509.00519, equation 8)")
def nll() -> Iterator[Found]:
    """Sixty images, fifteen at a time, with 64 draws each."""
    made, right = evaluation(), []
    x, noise = images(made, "test"), made.noise("test, importance")
    for part in x.split(1000 // 64):
        q = q_of(made, part)
        z = q.loc + q.scale * noise.normal(64, len(part), 3)
        log_w = log_px_of(made, "mse", part, z) + (PRIOR.log_prob(z) - q.log_prob(z)).sum(2)
        right.append(-(torch.logsumexp(log_w.double(), 0) - math.log(64)))
    yield "−L_64", ImportanceNLL(64)(made, judged(made)), torch.cat(right)


@check("scores", "typicality", "distance", reference=f"{DEFINITION} (arXiv 1906.02994)")
def typicality() -> Iterator[Found]:
    """The mean over all training images."""
    made = evaluation()
    score = Typicality(images=1000)
    score.fit(made)
    mean = sum(terms(made, images(made, "train"), "typicality")).mean()  # type: ignore[union-attr]
    yield "distance", score(made, judged(made)), (sum(terms(made, images(made, "test"), "test")) - mean).abs()


@check("scores", "latent_path", "copod", "ecod", reference="counts by loops and SciPy's skewness (arXiv 2401.04933)")
def latent_path() -> Iterator[Found]:
    """‖x − x̂‖, ‖μ‖ and ‖σ‖ of sixty images among those of all training images."""
    made = evaluation()

    def path(x: Tensor) -> np.ndarray:
        q = q_of(made, x)
        out = torch.sigmoid(made.model.decoder(q.loc)).reshape(x.shape)  # type: ignore[operator,attr-defined]
        numbers = [(x - out).flatten(1).norm(dim=1), q.loc.norm(dim=1), q.scale.norm(dim=1)]
        return torch.stack(numbers, 1).detach().numpy()

    rows, points = path(images(made, "train")), path(images(made, "test"))
    for joined in ("copod", "ecod"):
        score = LatentPath(joined, images=1000)  # type: ignore[arg-type]
        score.fit(made)
        yield joined, score(made, judged(made)), [tails_by_loops(rows, point, joined) for point in points]


def tails_by_loops(rows: np.ndarray, point: np.ndarray, joined: str) -> float:
    """COPOD or ECOD of one point."""
    total = 0.0
    for column, value in zip(rows.T, point):
        n = len(column)
        left = -math.log((1 + sum(column <= value)) / (n + 1))
        right = -math.log((1 + sum(column >= value)) / (n + 1))
        tail = right if stats.skew(column) > 0 else left
        total += max(tail, (left + right) / 2) if joined == "copod" else max(tail, left, right)
    return total


@check(
    "scores",
    "likelihood_regret",
    "ELBO after the steps",
    reference="SciPy's L-BFGS on the same bound (arXiv 2003.02977)",
)
def likelihood_regret() -> Iterator[Found]:
    """Twelve images, with ε = 0, so that the bound has one maximum to which both converge."""
    made = evaluation(test=12)
    found: Any = made
    found.noise = lambda purpose: NoNoise(Evaluation.noise(made, purpose))
    gain, before, right = LikelihoodRegret(4000, 0.01, 1)(made, judged(made)), [], []
    for x in images(made, "test").split(1):
        q = q_of(made, x)

        def loss(flat: np.ndarray, x: Tensor = x, q: D.Normal = q) -> tuple[float, np.ndarray]:
            numbers = torch.tensor(flat, dtype=q.loc.dtype, requires_grad=True)
            posterior = D.Normal(numbers[:3][None], torch.exp(numbers[3:] / 2)[None])
            value = -log_px_of(made, "mse", x, posterior.loc[None])[0, 0] + D.kl_divergence(posterior, PRIOR).sum()
            (slope,) = torch.autograd.grad(value, numbers)
            return value.item(), slope.numpy().astype(float)

        start = torch.cat([q.loc[0], 2 * q.scale[0].log()]).detach().numpy()
        before.append(-loss(start)[0])
        right.append(-optimize.minimize(loss, start, jac=True, method="L-BFGS-B").fun)
    yield "ELBO after the steps", gain + torch.tensor(before), right


@check("scores", "waic", "mean + variance", reference="NumPy, with the unbiased variance (arXiv 1810.01392)")
def waic() -> Iterator[Found]:
    """Three models of other weights."""
    members = [evaluation("objective=elbo", f"beta={beta}") for beta in (1, 2, 3)]
    for i, member in enumerate(members):
        for parameter in member.model.parameters():
            parameter.data += 0.1 * i
    members[0].ensemble = members
    x = images(members[0], "test")
    losses = np.stack([sum(terms(member, x, "test")).detach().numpy() for member in members])  # type: ignore[union-attr]
    yield "mean + variance", WAIC()(members[0], judged(members[0])), losses.mean(0) + losses.var(0, ddof=1)


@check("scores", "input_complexity", "score", reference="Pillow's files of the images in bytes (arXiv 1909.11480)")
def input_complexity() -> Iterator[Found]:
    """Grey images."""
    made = evaluation()
    x, lengths = images(made, "test"), []
    for image in x:
        file = io.BytesIO()
        Image.fromarray((255 * image[0]).round().numpy().astype(np.uint8), "L").save(file, "PNG", optimize=True)
        lengths.append(8 * len(file.getvalue()) * math.log(2))
    right = sum(terms(made, x, "test")).detach().numpy() - np.array(lengths)  # type: ignore[union-attr]
    yield "score", InputComplexity()(made, judged(made)), right


@check("metrics", "pixel_anomaly", "pixel_auroc", "pixel_pro",
       reference="SciPy's Mann–Whitney U; overlaps at every threshold by loops (arXiv 1911.02357)")  # fmt: skip
def pixel_anomaly() -> Iterator[Found]:
    """Random masks on the test images."""
    made = evaluation()
    random = np.random.RandomState(0)
    masks = random.rand(TEST, 1, *made.data.x_shape[1:]) < 0.2
    made.data.test.masks = torch.from_numpy(255 * masks.astype(np.uint8))
    values = made.run({"pixel_anomaly": PixelAnomaly()}).values
    x = images(made, "test")
    errors = ((x - made.reconstruct(x)) ** 2).sum(1).double().numpy()
    masks = masks[:, 0]
    u = stats.mannwhitneyu(errors[masks], errors[~masks]).statistic
    yield "pixel_auroc", values["test/pixel_auroc"], u / masks.sum() / (~masks).sum()
    yield "pixel_pro", values["test/pixel_pro"], overlap_by_loops(errors, masks)
    yield "pixel_pro", region_overlap(masks + 0.0, masks), 1.0


def overlap_by_loops(errors: np.ndarray, masks: np.ndarray) -> float:
    """The area under PRO against FPR up to 0.3, divided by 0.3."""
    defects = []
    for i, mask in enumerate(masks):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        defects += [(i, labels == k) for k in range(1, count + 1)]
    points = [(0.0, 0.0)]
    for at in np.unique(errors)[::-1]:
        above = errors >= at
        points.append((above[~masks].mean(), float(np.mean([above[i][where].mean() for i, where in defects]))))
    x, y = np.array(points).T
    kept = x <= 0.3
    return float(np.trapezoid(np.append(y[kept], np.interp(0.3, x, y)), np.append(x[kept], 0.3)) / 0.3)
