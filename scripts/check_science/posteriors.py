"""Posteriors q(z|x): densities of their samples, with log-determinants from the full Jacobian."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch import distributions as D

from check_science.cases import PRIOR, job_of
from check_science.checks import Found, check
from vae_lab.noise import GivenNoise

PLACES = ("latent_dim=1", "latent_dim=2", "latent_dim=5")
BRUTE_FORCE = "log N(ε; 0, I) − log |det ∂z/∂ε|, full Jacobian by automatic differentiation"


def posterior(*words: str, seed: int = 0) -> Any:
    """A posterior with random weights, for features of size 12."""
    job: Any = job_of("model=dense", "model.net.width=12", *words, seed=seed)
    return job.model.posterior


def by_brute_force(make: Any, h: Tensor, eps: Tensor) -> Tensor:
    """log q(z|x) of the samples that draws ε [K, B, D] are mapped to, one by one: [K, B]."""
    samples, batch, dims = eps.shape

    def one(k: int, i: int) -> Tensor:
        def sample(e: Tensor) -> Tensor:
            return make(h[i : i + 1], 1, GivenNoise([e.reshape(1, 1, dims)]))[0].flatten()

        jacobian = torch.autograd.functional.jacobian(sample, eps[k, i])
        return PRIOR.log_prob(eps[k, i]).sum() - torch.linalg.slogdet(jacobian)[1]

    return torch.stack([torch.stack([one(k, i) for i in range(batch)]) for k in range(samples)])


def flow(*words: str, dims: tuple[str, ...] = PLACES) -> Iterator[Found]:
    """Compare the density that a posterior returns with brute force, for several sizes and weights."""
    for place in dims:
        for seed in range(2):
            made = posterior(place, *words, seed=seed)
            random = torch.Generator().manual_seed(seed)
            h, size = torch.randn(3, 12, generator=random), int(place.rpartition("=")[2])
            eps = torch.randn(4, 3, size, generator=random)
            with torch.no_grad():
                _, log_q, _ = made(h, 4, GivenNoise([eps]))
            yield "log density", log_q, by_brute_force(made, h, eps)


@check("posterior", "diagonal", "sample", "log density",
       reference=f"torch.distributions.Normal; {BRUTE_FORCE} (arXiv 1312.6114, eq. 9)")  # fmt: skip
def diagonal() -> Iterator[Found]:
    """z = μ + σ ε, and its density."""
    made = posterior("latent_dim=3")
    h, eps = torch.randn(3, 12), torch.randn(4, 3, 3)
    z, _, q = made(h, 4, GivenNoise([eps]))
    ours = D.Normal(q.mu, (0.5 * q.log_var).exp())
    yield "sample", z, made.mu(h) + torch.exp(made.log_var(h) / 2) * eps
    yield "log density", ours.log_prob(z).sum(-1), by_brute_force(made, h, eps)


@check("posterior", "iaf", "log density", slow=True, reference=f"{BRUTE_FORCE} (arXiv 1606.04934, eq. 5)")
def iaf() -> Iterator[Found]:
    """One, two and three blocks, with both orders of the dimensions."""
    for blocks in (1, 2, 3):
        yield from flow("posterior=iaf", f"posterior.blocks={blocks}", "posterior.width=9")


@check("posterior", "planar", "log density", slow=True, reference=f"{BRUTE_FORCE} (arXiv 1505.05770, eq. 10 to 12)")
def planar() -> Iterator[Found]:
    """One and four steps."""
    for blocks in (1, 4):
        yield from flow("posterior=planar", f"posterior.blocks={blocks}")


@check("posterior", "real_nvp", "log density", slow=True, reference=f"{BRUTE_FORCE} (arXiv 1605.08803, eq. 6)")
def real_nvp() -> Iterator[Found]:
    """One and four coupling blocks, also with halves of different size."""
    for blocks in (1, 4):
        yield from flow("posterior=real_nvp", f"posterior.blocks={blocks}", "posterior.width=9", dims=PLACES[1:])


def integral(*words: str) -> Iterator[Found]:
    """E_q[f(z)/q(z)] = ∫ f = 1 for any density f: samples and density belong together.

    f is a narrow Gaussian at the sample of ε = 0, with a quarter of the variance that q has there, so that no ratio is
    large.
    """
    made, h = posterior("latent_dim=2", *words), torch.randn(1, 12, generator=torch.Generator().manual_seed(0))

    def sample(eps: Tensor) -> Tensor:
        return made(h, 1, GivenNoise([eps.reshape(1, 1, 2)]))[0].flatten()

    slope = torch.autograd.functional.jacobian(sample, torch.zeros(2))
    f = D.MultivariateNormal(sample(torch.zeros(2)), 0.25 * slope @ slope.T)
    with torch.no_grad():
        eps = torch.randn(40_000, 1, 2, generator=torch.Generator().manual_seed(1))
        z, log_q, _ = made(h, 40_000, GivenNoise([eps]))
        yield "E f(z)/q(z)", (f.log_prob(z[:, 0]) - log_q[:, 0]).exp(), 1.0


for _name in ("iaf", "planar", "real_nvp"):
    check("posterior", _name, "E f(z)/q(z)", statistical=True,
          reference="1 = ∫ f for a Gaussian density f, 40,000 samples")(
        lambda name=_name: integral(f"posterior={name}")
    )  # fmt: skip
