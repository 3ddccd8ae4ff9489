"""Schedules of the KL's weight, and the formulas that everything else uses."""

import math
from collections.abc import Iterator

import mpmath
import numpy as np
import torch
from scipy import stats

from check_science.cases import config_of
from check_science.checks import Found, check
from check_science.objectives_of_codes import SCALES, mmd_by_loops
from vae_lab import functional
from vae_lab.config.make import make
from vae_lab.metrics.common.resampling import interval, resamples, wilson

TIMES = [0.0, 0.01, 0.3, 0.5, 1.0, 1.9, 2.4999, 2.5, 3.7, 4.0, 7.2, 9.999, 10.0, 11.0, 1e6, math.inf]
KLS = [0.1, 7.0, 18.0, 40.0]


def schedule(name: str, *words: str) -> Iterator[Found]:
    """Compare a schedule with a function of (KL, epoch) in plain Python, at many times."""
    made = make(config_of(f"beta_schedule={name}", "epochs=10", *words)["beta_schedule"])
    ours = [[made(torch.tensor(kl), torch.tensor(t)).item() for t in TIMES] for kl in KLS]
    yield "weighted KL", ours, [[RIGHT[name](kl, t) for t in TIMES] for kl in KLS]


def cyclical(kl: float, t: float) -> float:
    """β_t of arXiv 1903.10145, equations 6 and 7, with M = 4 cycles, R = ½ and T = 10 epochs."""
    if t >= 10:
        return kl
    tau = (t % (10 / 4)) / (10 / 4)
    return kl * (tau / 0.5 if tau <= 0.5 else 1.0)


RIGHT = {
    "constant": lambda kl, t: kl,
    "linear": lambda kl, t: kl * min(1.0, t / 10),
    "cyclical": cyclical,
    "capacity": lambda kl, t: abs(kl - min(25.0, 25 * t / 10)),
}
SOURCES = {"constant": "no schedule", "linear": "arXiv 1602.02282, section 2.3",
           "cyclical": "arXiv 1903.10145, eq. 6 and 7", "capacity": "arXiv 1804.03599, eq. 8"}  # fmt: skip
for _name in RIGHT:
    check("beta_schedule", _name, "weighted KL", reference=f"plain Python at 16 times ({SOURCES[_name]})")(
        lambda name=_name: schedule(name)
    )


@check("formula", "kl_normal", "KL", reference="mpmath with 50 digits, number by number (arXiv 1312.6114, appendix B)")
def kl_normal() -> Iterator[Found]:
    """Also for a mean and a variance so close to 0 and 1 that the terms of the KL cancel."""
    for mu, log_var in ((0.7, 1.3), (-2.0, -3.0), (1e-4, 1e-4), (0.0, 1e-6), (0.0, 20.0)):
        with mpmath.workdps(50):
            m, v = mpmath.mpf(mu), mpmath.mpf(log_var)
            right = (m**2 + mpmath.exp(v) - 1 - v) / 2
        yield "KL", functional.kl_normal(torch.tensor(mu), torch.tensor(log_var)), float(right)


@check("formula", "log_normal", "log density", "all pairs", reference="scipy.stats.norm")
def log_normal() -> Iterator[Found]:
    """One by one, and for all pairs of points and Gaussians."""
    z, mu, log_var = torch.randn(40, 3), 3 * torch.randn(40, 3), torch.randn(40, 3)
    sigma = np.exp(log_var.numpy() / 2)
    yield "log density", functional.log_normal(z, mu, log_var), stats.norm.logpdf(z.numpy(), mu.numpy(), sigma)
    pairs = stats.norm.logpdf(z.numpy()[:, None], mu.numpy(), sigma).sum(2)
    yield "all pairs", functional.log_normal_pairs(mu, log_var)(z), pairs


@check("formula", "mmd", "MMD²", reference="a loop over all pairs (arXiv 1711.01558, algorithm 2)")
def mmd() -> Iterator[Found]:
    """Both kernels."""
    x, y = torch.randn(7, 3), 1 + torch.randn(7, 3)
    for name, kernel in (("imq", functional.imq_kernel), ("rbf", functional.rbf_kernel)):
        yield "MMD²", functional.mmd(x, y, SCALES, kernel), mmd_by_loops(x, y, name, SCALES)


@check("formula", "log_mean_exp", "log mean exp", reference="the logarithm of NumPy's mean of exp")
def log_mean_exp() -> Iterator[Found]:
    """Also where exp would overflow: a constant is added to all numbers."""
    x = torch.randn(5, 20)
    right = np.log(np.exp(x.numpy()).mean(0))
    yield "log mean exp", functional.log_mean_exp(x), right
    yield "log mean exp", functional.log_mean_exp(x + 1e5), right + 1e5


@check("formula", "intervals", "Wilson interval", reference="the formula of Wilson 1927, (p + z²/2n ± …) / (1 + z²/n)")
def wilson_interval() -> Iterator[Found]:
    """Shares of small and large samples."""
    z = stats.norm.ppf(0.975)
    for right, n in ((3, 10), (99, 100), (500, 10_000)):
        p = right / n
        half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        middle, scale = p + z**2 / (2 * n), 1 + z**2 / n
        yield "Wilson interval", wilson(p, n), ((middle - half) / scale, (middle + half) / scale)


@check("formula", "intervals", "coverage of the bootstrap", statistical=True, slow=True,
       reference="95 % of 1,500 intervals of a mean of 200 normal numbers, less 0.6 % for finite n")  # fmt: skip
def bootstrap() -> Iterator[Found]:
    """How often the interval of a mean contains the true mean.

    The bootstrap takes the variance with 1/n instead of Student's t: P(|t_199| < 1.96 √(199/200)) = 0.9467, and 1,000
    resamples estimate the ends.
    """
    hits = []
    for seed in range(1500):
        x = torch.randn(200, generator=torch.Generator().manual_seed(seed))
        low, high = interval(x.mean().item(), resamples(200, 1000, seed) @ x / 200, low=-math.inf)
        hits.append(float(low <= 0 <= high))
    yield "coverage of the bootstrap", hits, 1 - 2 * stats.t.sf(1.96 * math.sqrt(199 / 200), 199)
