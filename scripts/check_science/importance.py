"""Importance-weighted bounds: IWAE, MIWAE, PIWAE, CIWAE and their gradients."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch import distributions as D

from check_science.cases import PRIOR, Case, cases, gradient, loss_and_gradient
from check_science.checks import Found, check
from check_science.linear_gaussian import LinearGaussian
from check_science.objectives import PLAIN
from vae_lab.types import GENERATION, INFERENCE

K = 6


def log_w(case: Case) -> Tensor:
    """log w = log p(x|z) + log p(z) − log q(z|x): [k, B]."""
    z = case.z
    return case.log_px(z) + PRIOR.log_prob(z).sum(-1) - case.q.log_prob(z).sum(-1)


def bound(weights: Tensor, groups: int, elbo_share: float) -> Tensor:
    """β · mean log w + (1 − β) · mean over groups of log mean w, from the weights w themselves: [B]."""
    parts = [part.mean(0).log() for part in weights.chunk(groups)]
    return elbo_share * weights.log().mean(0) + (1 - elbo_share) * sum(parts) / groups


def constant(case: Case) -> float:
    """The constant of the squared error, which the loss leaves out."""
    return 0.5 * case.x[0].numel() * float(np.log(np.pi)) if case.likelihood == "mse" else 0.0


@check("objective", "iwae", "loss", "gradient", slow=True,
       reference=f"{PLAIN}, mean of w (arXiv 1509.00519, eq. 8; 1802.04537, eq. 9 and 11)")  # fmt: skip
def iwae() -> Iterator[Found]:
    """IWAE, MIWAE with two groups, CIWAE with β = 0.3."""
    for groups, share in ((1, 0.0), (2, 0.0), (1, 0.3), (3, 0.5)):
        words = (f"objective.samples={K}", f"objective.groups={groups}", f"objective.elbo_share={share}")
        for case in cases("objective=iwae", *words):
            yield from loss_and_gradient(
                case, lambda c: -bound(log_w(c).exp(), groups, share).mean() - constant(c)  # noqa: B023
            )  # fmt: skip


def doubly_reparameterised(case: Case, groups: int, share: float) -> Tensor:
    """The gradient of −bound by equation 8 of arXiv 1810.04152, assembled from its parts.

    The encoder receives Σ_i c_i (∂ log w_i/∂z_i) (∂z_i/∂φ), where log q is held fixed as a function of φ, with
    c_i = β/k + (1 − β)/M · v_i² and v_i the normalised weights of a group. The decoder receives the plain gradient.
    """
    z = case.z
    free, fixed = z.detach().requires_grad_(), D.Normal(case.q.loc.detach(), case.q.scale.detach())
    log_weights = case.log_px(free) + PRIOR.log_prob(free).sum(-1) - fixed.log_prob(free).sum(-1)
    v = torch.cat([part / part.sum(0) for part in log_weights.detach().exp().chunk(groups)])
    c = share / len(v) + (1 - share) / groups * v**2
    to_z = torch.autograd.grad(log_weights.sum(), free, retain_graph=True)[0] * c[..., None]
    encoder = gradient((z * to_z).sum() / z.shape[1], case.job)
    decoder = gradient(bound(log_weights.exp(), groups, share).mean(), case.job)
    return -(encoder + decoder)


@check("objective", "iwae", "gradient, DReG", reference="arXiv 1810.04152, eq. 8, assembled from its parts")
def dreg() -> Iterator[Found]:
    """The doubly reparameterised gradient with and without groups and a share of the ELBO."""
    for groups, share in ((1, 0.0), (2, 0.0), (1, 0.3)):
        words = (f"objective.samples={K}", f"objective.groups={groups}", f"objective.elbo_share={share}")
        for case in cases("objective=iwae", "objective.gradient=dreg", *words):
            case.job.train()
            yield "gradient, DReG", case.ours()[1], doubly_reparameterised(case, groups, share)


@check("objective", "iwae", "mean gradient, DReG", statistical=True, slow=True,
       reference="the mean of the plain gradient, 9,600 draws of each (arXiv 1810.04152, section 4)")  # fmt: skip
def dreg_is_unbiased() -> Iterator[Found]:
    """Both gradients have the same mean; compared along one fixed random direction of the parameters."""
    estimates = []
    for words in (("objective.gradient=dreg",), ()):
        case = next(cases("objective=iwae", "objective.samples=3", *words, likelihoods=("bernoulli",)))
        case.x = case.x[:1].expand(80, *case.x.shape[1:])  # one image, many times
        size = sum(p.numel() for p in case.job.parameters())
        direction = torch.randn(size, generator=torch.Generator().manual_seed(0))
        estimates.append([(case.ours()[1] @ direction).item() for _ in range(120)])
    yield "mean gradient, DReG", *estimates


@check("objective", "iwae", "loss, PIWAE", reference=f"{PLAIN}: L_k for the decoder, MIWAE for the encoder (eq. 12)")
def piwae() -> Iterator[Found]:
    """Each phase has its own bound and its own parameters (arXiv 1802.04537, section 4)."""
    for phase, groups in (("model", 1), ("encoder", 2)):
        words = (f"objective.samples={K}", "objective.groups=2", "objective.piwae=true")
        for case in cases("objective=iwae", *words, phase=phase):
            assert case.job.objective.phases == {"model": (GENERATION,), "encoder": (INFERENCE,)}
            ours, _ = case.ours()
            yield "loss, PIWAE", ours, -bound(log_w(case).exp(), groups, 0.0).mean() - constant(case)


@check("objective", "iwae", "bound of an exact posterior",
       reference="log p(x) of probabilistic PCA, N(x; b, W Wᵀ + σ² I) (Tipping & Bishop 1999)")  # fmt: skip
def bound_of_the_exact_posterior() -> Iterator[Found]:
    """Where q(z|x) = p(z|x), every weight is p(x) and every bound is log p(x)."""
    for k in (1, 5):
        model = LinearGaussian(values=6, dims=2)
        ours = model.loss("objective=iwae", f"objective.samples={k}", noise_key=k)
        yield "bound of an exact posterior", -ours, model.log_px().mean()


@check("objective", "iwae", "bound, k = 1", "bound, k = 2", statistical=True, slow=True,
       reference="Gauss–Hermite quadrature over both samples; closed form for k = 1 (10,000 draws)")  # fmt: skip
def bound_of_a_wrong_posterior() -> Iterator[Found]:
    """E log (1/k) Σ w_i of a one-dimensional code, whose posterior is too wide and shifted."""
    model = LinearGaussian(values=4, dims=1, images=1, shift=0.4, widen=1.5)
    for k, right in ((1, model.elbo().mean()), (2, model.quadrature_of_two())):
        objective = f"objective.samples={k}"
        losses = [model.loss("objective=iwae", objective, noise_key=i, copies=100).item() for i in range(100)]
        yield f"bound, k = {k}", -np.array(losses), right
