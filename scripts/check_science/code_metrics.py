"""Disentanglement scores: plain implementations of the papers, on synthetic codes of known factors."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import special, stats
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from check_science.checks import Found, check
from check_science.factor_grids import SIZES, Given, looked_up, random_values, synthetic_codes
from vae_lab.metrics.beta_vae_metric import BetaVAEMetric
from vae_lab.metrics.common.factor_codes import factor_codes
from vae_lab.metrics.dci import DCI
from vae_lab.metrics.factor_vae_score import FactorVAEScore
from vae_lab.metrics.mig import MIG
from vae_lab.metrics.mig_integral import informations, integral_gaps
from vae_lab.metrics.sap import SAP
from vae_lab.types import Normal

NAMES = ("perfect", "noisy", "half entangled", "rotated", "noise")
Points = tuple[np.ndarray, np.ndarray]


def same_points(name: str, score: str, *numbers: int) -> list[Points]:
    """The points that a score samples: codes [n, D] and factor values [n, F], for each number n."""
    given = Given(name)
    grid, _ = factor_codes(given, score)  # type: ignore[arg-type]
    noise = given.noise(score)
    assert grid is not None
    return [grid.sample(noise, n) for n in numbers]


def mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """I(a; b) = Σ p(a, b) log p(a, b) / (p(a) p(b)) of two columns of integers, in nats."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    for pair in zip(a, b):
        joint[pair] += 1 / len(a)
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    used = joint > 0
    return float((joint[used] * np.log(joint[used] / product[used])).sum())


@check("metrics", "mig", "mig", slow=True,
       reference="counts and loops, NumPy, the same points (arXiv 1802.04942, eq. 6)")  # fmt: skip
def mig() -> Iterator[Found]:
    """Twenty bins of equal width."""
    for name in NAMES:
        ((codes, values),) = same_points(name, "mig", 2000)
        gaps = []
        low, high = codes.min(0), codes.max(0)
        with np.errstate(invalid="ignore"):
            bins = np.minimum((codes - low) / (high - low) * 20, 19).astype(int)
        for factor in values.T:
            informations = sorted(mutual_information(bins[:, d], factor) for d in range(codes.shape[1]))
            gaps.append((informations[-1] - informations[-2]) / mutual_information(factor, factor))
        yield "mig", MIG(points=2000)(Given(name)).values["mig"], np.mean(gaps)  # type: ignore[arg-type]


@check("metrics", "mig_integral", "mig_integral", slow=True,
       reference="SciPy's normal density on a fine grid, loops (arXiv 1802.04942, section 4.1)")  # fmt: skip
def mig_integral() -> Iterator[Found]:
    """Posteriors whose means and variances depend on two factors; entropies by the trapezoidal rule."""
    sizes = (3, 4)
    values = torch.cartesian_prod(*(torch.arange(size) for size in sizes)).repeat(5, 1)
    random = torch.Generator().manual_seed(0)
    mu = torch.randn(len(values), 3, generator=random) * 0.3
    mu[:, 0] += values[:, 0]
    mu[:, 1] += 0.5 * values[:, 1]
    log_var = -1 + 0.3 * torch.randn(len(values), 3, generator=random)
    found = integral_gaps(informations(Normal(mu, log_var), values, sizes, bins=20_000), sizes).mean()
    gaps = []
    for factor, size in enumerate(sizes):
        shared = []
        for d in range(3):
            z = np.linspace(-8, 12, 20_001)
            scale = np.exp(log_var[:, d].numpy() / 2)
            density = stats.norm.pdf(z, mu[:, d, None].numpy(), scale[:, None])
            given = [density[values[:, factor].numpy() == value].mean(0) for value in range(size)]
            entropies = [-np.trapezoid(special.xlogy(p, p), z) for p in (*given, np.mean(given, 0))]
            shared.append(entropies[-1] - np.mean(entropies[:-1]))
        second, first = sorted(shared)[-2:]
        gaps.append((first - second) / np.log(size))
    yield "mig_integral", found, np.mean(gaps)


@check("metrics", "sap", "sap", reference="scikit-learn's LinearSVC, the same points (arXiv 1711.00848, section 3)")
def sap() -> Iterator[Found]:
    """The gap of accuracies of the two best dimensions."""
    for name in ("perfect", "half entangled"):
        (z, v), (z_new, v_new) = same_points(name, "sap", 500, 300)
        gaps = []
        for factor in range(v.shape[1]):
            right = []
            for d in range(z.shape[1]):
                machine = LinearSVC(C=0.01, class_weight="balanced", dual=False).fit(z[:, [d]], v[:, factor])
                right.append((machine.predict(z_new[:, [d]]) == v_new[:, factor]).mean())
            best, second = sorted(right)[:-3:-1]
            gaps.append(best - second)
        yield "sap", SAP(train=500, test=300)(Given(name)).values["sap"], np.mean(gaps)  # type: ignore[arg-type]


def certainty(importance: np.ndarray) -> float:
    """Σ_i ρ_i (1 − H(p_i)), p_i = R_i·/ΣR_i·, entropy to the base of the number of columns, ρ_i ∝ ΣR_i·."""
    total = 0.0
    for row in importance:
        p = row[row > 0] / row.sum()
        total += row.sum() / importance.sum() * (1 + (p * np.log(p)).sum() / np.log(len(row)))
    return float(total)


@check("metrics", "dci", "disentanglement", "completeness", "informativeness", slow=True,
       reference="scikit-learn's boosted trees, same seed, loops (openreview By-7dz-AZ, section 2)")  # fmt: skip
def dci() -> Iterator[Found]:
    """On 200 training and 200 test points, without the factors of 32 and 40 values."""
    for name in ("noisy", "half entangled"):
        made = Given(name, sizes=(3, 6, 4, 4, 4))
        grid, _ = factor_codes(made, "dci")  # type: ignore[arg-type]
        noise = made.noise("dci")
        (z, v), (z_new, v_new) = (grid.sample(noise, n) for n in (200, 200))  # type: ignore[union-attr]
        trees = [GradientBoostingClassifier(random_state=0).fit(z, v[:, k]) for k in range(v.shape[1])]
        importance = np.stack([tree.feature_importances_ for tree in trees], 1)
        accuracy = [(tree.predict(z_new) == v_new[:, k]).mean() for k, tree in enumerate(trees)]
        ours = DCI(200, 200)(Given(name, sizes=(3, 6, 4, 4, 4))).values  # type: ignore[arg-type]
        yield "disentanglement", ours["dci_disentanglement"], certainty(importance)
        yield "completeness", ours["dci_completeness"], certainty(importance.T)
        yield "informativeness", ours["dci_informativeness"], np.mean(accuracy)


def beta_vae_points(codes: np.ndarray, n: int, pairs: int, random: np.random.Generator) -> Points:
    """n points of the β-VAE metric: for each, a factor and the mean |z − z'| of pairs that share its value."""
    features, labels = [], random.integers(len(SIZES), size=n)
    for shared in labels:
        first, second = (random_values(pairs, random) for _ in range(2))
        second[:, shared] = first[:, shared]
        features.append(np.abs(looked_up(codes, first) - looked_up(codes, second)).mean(0))
    return np.array(features), labels


@check("metrics", "beta_vae_metric", "accuracy", statistical=True, slow=True,
       reference="NumPy with its own points, logistic regression, 20 seeds (Higgins et al. 2017)")  # fmt: skip
def beta_vae_metric() -> Iterator[Found]:
    """On rotated codes, where the score is neither chance nor perfect."""
    codes = synthetic_codes(SIZES)["rotated"]
    ours, right = [], []
    for seed in range(20):
        metric = BetaVAEMetric(train=300, eval=300, batch=16)
        ours.append(metric(Given("rotated", seed=seed)).values["beta_vae_metric"])  # type: ignore[arg-type]
        random = np.random.default_rng(seed)
        (x, y), (x_new, y_new) = (beta_vae_points(codes.numpy(), 300, 16, random) for _ in range(2))
        right.append((LogisticRegression(max_iter=1000).fit(x, y).predict(x_new) == y_new).mean())
    yield "accuracy", ours, right


def votes(codes: np.ndarray, n: int, images: int, random: np.random.Generator) -> Points:
    """n votes of the FactorVAE score: the live dimension with the least normalised variance, and the fixed factor."""
    spread = looked_up(codes, random_values(2000, random)).var(0, ddof=1)
    dimensions, factors = [], random.integers(len(SIZES), size=n)
    for fixed in factors:
        values = random_values(images, random)
        values[:, fixed] = values[0, fixed]
        share = looked_up(codes, values).var(0, ddof=1) / spread
        dimensions.append(np.where(np.sqrt(spread) < 0.05, np.inf, share).argmin())
    return np.array(dimensions), factors


@check("metrics", "factor_vae_score", "accuracy", statistical=True, slow=True,
       reference="NumPy with its own points and majority votes, 20 seeds (arXiv 1802.05983, section 4)")  # fmt: skip
def factor_vae_score() -> Iterator[Found]:
    """On rotated codes, of which one dimension is dead."""
    codes = synthetic_codes(SIZES)["rotated"].numpy()
    ours, right = [], []
    for seed in range(20):
        metric = FactorVAEScore(variances=2000, train=300, eval=300, batch=16)
        ours.append(metric(Given("rotated", seed=seed)).values["factor_vae_score"])  # type: ignore[arg-type]
        random = np.random.default_rng(seed)
        dimensions, factors = votes(codes, 600, 16, random)
        majority = {
            d: np.bincount(factors[:300][dimensions[:300] == d], minlength=5).argmax() for d in range(codes.shape[1])
        }
        right.append(np.mean([majority[d] == k for d, k in zip(dimensions[300:], factors[300:])]))
    yield "accuracy", ours, right


@check("metrics", "factor_vae_score", "perfect codes", reference="1, as each factor has a dimension of its own")
def perfect_factor_vae_score() -> Iterator[Found]:
    """Codes that are the factors themselves."""
    metric = FactorVAEScore(variances=500, train=300, eval=300)
    yield "perfect codes", metric(Given("perfect")).values["factor_vae_score"], 1.0  # type: ignore[arg-type]


@check(
    "metrics", "mig", "perfect codes of few values", reference="1: every factor can be read from one dimension alone"
)
def perfect_mig() -> Iterator[Found]:
    """All 4³ combinations of three independent factors, once: no other dimension has any information."""
    from vae_lab.metrics.mig import information_gaps

    values = np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3)
    yield "perfect codes of few values", information_gaps(values.astype(float), values, 20), np.ones(3)
