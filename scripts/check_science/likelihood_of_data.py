"""The negative log-likelihood by importance sampling, on models whose likelihood is known."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from check_science.checks import Found, check
from check_science.evaluated import InMemory, evaluation_of
from check_science.linear_gaussian import LinearGaussian
from vae_lab.data.dataset import Dataset
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Examples
from vae_lab.metrics.nll import NLL, effective_samples, log_weights
from vae_lab.noise import SeededNoise
from vae_lab.training.job import Job
from vae_lab.types import Batch

PPCA = "log N(x; b, W Wᵀ + σ² I) of probabilistic PCA by SciPy"


def evaluated(model: LinearGaussian, seed: int = 0) -> Evaluation:
    """A linear model on its own images."""
    source = InMemory(
        Examples(torch.zeros(20, *model.x.shape[1:], dtype=torch.uint8), None), Examples(model.pixels, None)
    )
    data = Dataset("linear", source, Path(), batch_size=10, seed=0)
    return evaluation_of(Job(model.model, model.objective("objective=elbo")), data, seed)


@check("metrics", "nll", "nll", "bounds", reference=f"{PPCA}, exact posterior: every weight is p(x)")
def nll_of_the_exact_posterior() -> Iterator[Found]:
    """−L_K for every K."""
    model = LinearGaussian(values=6, dims=2)
    scores = evaluated(model).run({"nll": NLL(samples=20, bounds=(1, 5))})
    yield "nll", scores.values["test/nll"], -model.log_px().mean()
    yield "bounds", [row["nll"] for row in scores.arrays["nll_bounds"]], np.full(3, -model.log_px().mean())


@check("metrics", "nll", "mean weight", statistical=True,
       reference=f"{PPCA}: E w = p(x) for a posterior that is shifted and too wide, 5,000 draws")  # fmt: skip
def weights_are_unbiased() -> Iterator[Found]:
    """Importance weights p(x, z)/q(z|x), relative to p(x)."""
    model = LinearGaussian(values=6, dims=2, images=1, shift=0.3, widen=1.5)
    log_w = log_weights(model.model, Batch(model.x, model.x, None), 5000, SeededNoise("cpu", 0)).detach().numpy()
    yield "mean weight", np.exp(log_w - model.log_px()), 1.0


@check("metrics", "nll", "nll by 1,000 samples", "bound, K = 1", "bound, K = 2", statistical=True, slow=True,
       reference=f"{PPCA} less the bias of log mean w; quadrature; closed form (60 seeds)")  # fmt: skip
def nll_of_a_wrong_posterior() -> Iterator[Found]:
    """The score itself, with its disjoint groups. The bias of −log of a mean of K weights is Var(w/p)/(2K)."""
    model = LinearGaussian(values=4, dims=1, images=1, shift=0.4, widen=1.5)
    rows = [
        evaluated(model, seed).run({"nll": NLL(samples=1000, bounds=(1, 2))}).arrays["nll_bounds"] for seed in range(60)
    ]
    found = {k: np.array([next(row["nll"] for row in one if row["k"] == k) for one in rows]) for k in (1, 2, 1000)}
    yield "bound, K = 1", found[1], -model.elbo().mean()
    yield "bound, K = 2", found[2], -model.quadrature_of_two()
    yield "nll by 1,000 samples", found[1000], -model.log_px().mean() + model.variance_of_weights() / 2000


@check("metrics", "nll", "effective samples", reference="(Σ w)² / Σ w² by NumPy")
def effective() -> Iterator[Found]:
    """Of 300 weights."""
    log_w = stats.norm.rvs(size=(300, 4), random_state=0)
    w = np.exp(log_w)
    yield "effective samples", effective_samples(torch.from_numpy(log_w)), w.sum(0) ** 2 / (w**2).sum(0)
