"""Objectives that weigh the reconstruction and the KL of one code per image: ELBO, DIP-VAE, autoencoders."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch import distributions as D

from check_science.cases import PRIOR, Case, Recorded, cases, job_of, loss_and_gradient
from check_science.checks import Found, check
from check_science.priors import mixture_density

PLAIN = "the equation, with torch.distributions"


def closed_kl(case: Case) -> Tensor:
    """KL[q(z|x) ‖ N(0, I)] of each image and dimension: [B, D] nats."""
    return D.kl_divergence(case.q, PRIOR)


@check("objective", "elbo", "loss", "gradient", reference=f"{PLAIN} (arXiv 1312.6114, eq. 7 and 10)")
def elbo() -> Iterator[Found]:
    """k1 · recon + k2 · KL: one sample, four samples, and a warm-up of ten epochs after three of them."""
    settings = (((), 1.0, 1.0), (("k1=0.3", "k2=4", "objective.samples=4"), 0.3, 4.0),
                (("beta=2", "beta_schedule=linear"), 1.0, 2 * 0.3))  # fmt: skip
    for words, k1, k2 in settings:
        for case in cases("objective=elbo", *words):
            yield from loss_and_gradient(case, lambda c: k1 * c.recon(c.z) + k2 * closed_kl(c).sum(1).mean())  # noqa: B023


@check("objective", "elbo", "loss, estimator A", "gradient, estimator A", reference=f"{PLAIN} (arXiv 1312.6114, eq. 6)")
def elbo_by_samples() -> Iterator[Found]:
    """The KL from samples: log q(z|x) − log p(z)."""

    def loss(c: Case) -> Tensor:
        return c.recon(c.z) + 2 * (c.q.log_prob(c.z) - PRIOR.log_prob(c.z)).sum(-1).mean()

    for case in cases("objective=elbo", "objective.estimator=A", "objective.samples=3", "beta=2"):
        for quantity, ours, right in loss_and_gradient(case, loss):
            yield f"{quantity}, estimator A", ours, right


@check("objective", "elbo", "loss, free bits", "gradient, free bits",
       reference=f"{PLAIN}, loops over dimensions (arXiv 1606.04934, eq. 15)")  # fmt: skip
def free_bits() -> Iterator[Found]:
    """Σ_j max(λ, KL_j), then max(δ, ·) for min_rate."""

    def loss(c: Case) -> Tensor:
        total = sum(max(torch.tensor(0.4), kl) for kl in closed_kl(c).mean(0))
        return c.recon(c.z) + max(torch.tensor(floor), total)

    for floor in (0.0, 1.0, 50.0):
        for case in cases("objective=elbo", "objective.free_bits=0.4", f"objective.min_rate={floor}"):
            for quantity, ours, right in loss_and_gradient(case, loss):
                yield f"{quantity}, free bits", ours, right


@check("objective", "elbo", "loss, learned prior", "gradient, learned prior",
       reference=f"{PLAIN}: log q(z|x) − log p(z) of a MixtureSameFamily")  # fmt: skip
def learned_prior() -> Iterator[Found]:
    """Without a closed form, the KL is an estimate from the samples; its gradient also trains the prior."""

    def loss(c: Case) -> Tensor:
        prior = c.job.model.prior
        log_p = mixture_density(prior.logits.softmax(0), prior.mu, (prior.log_var / 2).exp(), c.z)
        return c.recon(c.z) + (c.q.log_prob(c.z).sum(-1) - log_p).mean()

    for case in cases("objective=elbo", "prior=mixture", "prior.components=4", "objective.samples=2"):
        for quantity, ours, right in loss_and_gradient(case, loss):
            yield f"{quantity}, learned prior", ours, right


def covariance_penalty(case: Case, of_codes: bool, off: float, on: float) -> Tensor:
    """The penalty on the covariance of the means (I) or of the codes (II), by loops over its entries."""
    mu, var, total = case.q.loc, case.q.scale**2, torch.zeros(())
    for i in range(mu.shape[1]):
        for j in range(mu.shape[1]):
            entry = (mu[:, i] * mu[:, j]).mean() - mu[:, i].mean() * mu[:, j].mean()
            if i == j:
                entry = entry + (var[:, i].mean() if of_codes else 0.0)
            total = total + (on * (entry - 1) ** 2 if i == j else off * entry**2)
    return total


@check("objective", "dip_vae_i", "loss", "gradient", reference=f"{PLAIN}, loops (arXiv 1711.00848, eq. 6)")
def dip_vae_i() -> Iterator[Found]:
    """λ_od = 10, λ_d = 100."""
    for case in cases("objective=dip_vae_i"):
        yield from loss_and_gradient(
            case, lambda c: c.recon(c.z) + closed_kl(c).sum(1).mean() + covariance_penalty(c, False, 10, 100)
        )


@check("objective", "dip_vae_ii", "loss", "gradient", reference=f"{PLAIN}, loops (arXiv 1711.00848, eq. 7)")
def dip_vae_ii() -> Iterator[Found]:
    """λ_od = λ_d = 10."""
    for case in cases("objective=dip_vae_ii", "objective.samples=2", "k2=0.5"):
        yield from loss_and_gradient(
            case, lambda c: c.recon(c.z) + 0.5 * closed_kl(c).sum(1).mean() + covariance_penalty(c, True, 10, 10)
        )


@check("objective", "ae", "loss", "gradient", reference=f"{PLAIN}: −log p(x | z = μ(x))")
def autoencoder() -> Iterator[Found]:
    """The reconstruction at the mean."""
    for case in cases("objective=ae"):
        yield from loss_and_gradient(case, lambda c: c.recon(c.q.loc))


def squared_decoder(decoder: nn.Module) -> Tensor:
    """‖θ‖² of all weights with which the decoder computes, without biases, read from its layers."""
    layers = (part for part in decoder.modules() if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d))
    return sum((layer.weight**2).sum() for layer in layers)


@check("objective", "rae_l2", "loss", "gradient", reference=f"{PLAIN} (arXiv 1903.12436, eq. 7 with ‖θ‖²)")
def rae_l2() -> Iterator[Found]:
    """β = 0.0128, λ = 0.1."""

    def loss(c: Case) -> Tensor:
        half = 0.5 * (c.q.loc**2).sum(1).mean()
        return c.recon(c.q.loc) + 0.0128 * half + 0.1 * squared_decoder(c.job.model.decoder)

    for case in cases("objective=rae_l2", "objective.decoder_weight=0.1"):
        yield from loss_and_gradient(case, loss)


@check("objective", "rae_l2", "loss, weight-normalised network", "gradient, weight-normalised network",
       reference=f"{PLAIN}: ‖θ‖² of the effective weights θ = g v/‖v‖ (arXiv 1903.12436, eq. 7)")  # fmt: skip
def rae_l2_of_a_resnet() -> Iterator[Found]:
    """``model=resnet``, whose parameters are the lengths g and the directions v of its weights."""

    def loss(c: Case) -> Tensor:
        half = 0.5 * (c.q.loc**2).sum(1).mean()
        return c.recon(c.q.loc) + 0.0128 * half + 0.1 * squared_decoder(c.job.model.decoder)

    words = ("model=resnet", "model.net.channels=[2,3]", "model.net.hidden=5", "latent_dim=3", "objective=rae_l2",
             "objective.decoder_weight=0.1")  # fmt: skip
    for seed in range(2):
        x = torch.rand((4, 1, 8, 8), generator=torch.Generator().manual_seed(seed))
        case = Case(job_of(*words, shape=(1, 8, 8), seed=seed), "mse", x, Recorded("noise", seed))
        for quantity, ours, right in loss_and_gradient(case, loss):
            yield f"{quantity}, weight-normalised network", ours, right


def image_change(case: Case, z: Tensor, direction: Tensor) -> Tensor:
    """J v of one code, where J = ∂x̂/∂z is the whole Jacobian, computed by reverse-mode differentiation."""
    jacobian = torch.autograd.functional.jacobian(
        lambda code: torch.sigmoid(case.job.model.decoder(code[None])).flatten(), z, create_graph=True
    )
    return jacobian @ direction


@check("objective", "rae_gp", "loss", "gradient", slow=True,
       reference="the full Jacobian by reverse mode, times the same v (arXiv 1903.12436, section 3)")  # fmt: skip
def rae_gp() -> Iterator[Found]:
    """‖J v‖² with the objective's own directions v."""

    def loss(c: Case) -> Tensor:
        z = c.q.loc
        penalty = torch.stack([image_change(c, z[i], c.draws[1][0, i]).square().sum() for i in range(len(z))]).mean()
        return c.recon(z) + 0.0128 * 0.5 * (z**2).sum(1).mean() + 0.7 * penalty

    for case in cases("objective=rae_gp", "objective.decoder_weight=0.7", batch=3):
        yield from loss_and_gradient(case, loss)


@check("objective", "rae_gp", "penalty", reference="‖J‖² of the full Jacobian, 4,000 draws of v", statistical=True)
def rae_gp_is_unbiased() -> Iterator[Found]:
    """E ‖J v‖² = ‖J‖² for v ~ N(0, I)."""
    case = next(cases("objective=rae_gp", "objective.decoder_weight=1", "objective.code_weight=0", batch=1))
    z = case.q.loc[0]
    columns = [image_change(case, z, basis) for basis in torch.eye(len(z))]
    case.x = case.x.expand(40, *case.x.shape[1:])  # the same image with 40 directions
    estimates = [(case.ours()[0] - case.recon(case.q.loc)).item() for _ in range(100)]
    yield "penalty", estimates, sum(column.square().sum() for column in columns)
