"""Objectives that look at the codes of a whole batch: β-TCVAE, FactorVAE, InfoVAE and WAE."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch import distributions as D

from check_science.cases import PRIOR, TRAIN_SIZE, Case, Recorded, cases, loss_and_gradient
from check_science.checks import Found, check
from check_science.objectives import PLAIN, closed_kl
from vae_lab.objectives.beta_tcvae import log_aggregates, stratified
from vae_lab.types import Normal


def pair_weight(i: int, j: int, batch: int, train_size: int, is_stratified: bool) -> float:
    """The weight of q(z|x_j) in the estimate of q(z) at the sample of example i (arXiv 1802.04942, appendix C)."""
    others = batch - 1
    if not is_stratified:
        return 1 / (train_size * batch)
    if i == j:
        return 1 / train_size
    return (train_size - others) / (train_size * others) if j == (i + 1) % batch else 1 / others


def tc_parts(case: Case, is_stratified: bool) -> tuple[Tensor, Tensor, Tensor]:
    """MI, TC and dimension-wise KL (eq. 2), from densities q(z_i) and q(z_ij) that are sums over the batch."""
    batch, dims = case.q.loc.shape
    parts = []
    for z in case.z:
        for i in range(batch):
            weights = torch.tensor([pair_weight(i, j, batch, TRAIN_SIZE, is_stratified) for j in range(batch)])
            single = case.q.log_prob(z[i]).exp()  # q(z_id|x_j), [B, D]
            q_z = (weights * single.prod(1)).sum()
            q_zd = [(weights * single[:, d]).sum() for d in range(dims)]
            own, prior = case.q.log_prob(z[i])[i].sum(), PRIOR.log_prob(z[i]).sum()
            product = sum(density.log() for density in q_zd)
            parts.append(torch.stack([own - q_z.log(), q_z.log() - product, product - prior]))
    mi, tc, dimension_kl = torch.stack(parts).mean(0)
    return mi, tc, dimension_kl


@check("objective", "beta_tcvae", "loss", "gradient", reference=f"{PLAIN}, loops over pairs (arXiv 1802.04942, eq. 4)")
def beta_tcvae() -> Iterator[Found]:
    """Both estimators of q(z), with a different weight for each part."""
    for estimator in ("weighted", "stratified"):
        words = (f"objective.estimator={estimator}", "objective.alpha=0.5", "beta=6", "objective.gamma=2")
        for case in cases("objective=beta_tcvae", "objective.samples=2", *words):

            def loss(c: Case) -> Tensor:
                mi, tc, dimension_kl = tc_parts(c, estimator == "stratified")  # noqa: B023
                return c.recon(c.z) + 0.5 * mi + 6 * tc + 2 * dimension_kl

            yield from loss_and_gradient(case, loss)


@check("objective", "beta_tcvae", "q(z), stratified", statistical=True,
       reference="q(z) over all N examples, 4,000 random batches (arXiv 1802.04942, appendix C.2)")  # fmt: skip
def stratified_is_unbiased() -> Iterator[Found]:
    """The example's own posterior is in every batch; its companions are drawn without replacement."""
    total, batch, random = 12, 5, torch.Generator().manual_seed(0)
    q = D.Normal(torch.randn(total, 2, generator=random), 0.3 + torch.rand(total, 2, generator=random))
    z = q.loc[:1] + 0.3
    estimates = []
    for _ in range(4000):
        chosen = torch.cat([torch.zeros(1, dtype=torch.long), 1 + torch.randperm(total - 1, generator=random)])[:batch]
        moments = Normal(q.loc[chosen], 2 * q.scale[chosen].log())
        at = torch.cat([z, q.loc[chosen[1:]]])[None]  # only the first row is of interest
        estimates.append(log_aggregates(at, moments, stratified(batch, total))[0][0, 0].exp().item())
    yield "q(z), stratified", estimates, q.log_prob(z).sum(1).exp().mean()


@check("objective", "factor_vae", "loss", "gradient", reference=f"{PLAIN} (arXiv 1802.05983, eq. 2 and algorithm 2)")
def factor_vae() -> Iterator[Found]:
    """k1 · recon + KL + γ · mean(D_0 − D_1), without a gradient to the discriminator."""

    def loss(c: Case) -> Tensor:
        weights = [(p.weight.detach(), p.bias.detach()) for p in layers(c)]
        logits = discriminator(weights, c.z[0])
        return c.recon(c.z) + closed_kl(c).sum(1).mean() + 35 * (logits[:, 0] - logits[:, 1]).mean()

    for case in cases("objective=factor_vae", "objective.width=7", "objective.depth=2"):
        yield from loss_and_gradient(case, loss)


@check("objective", "factor_vae", "discriminator's loss", "discriminator's gradient",
       reference=f"{PLAIN}: binary cross-entropy of D_0 − D_1 (arXiv 1802.05983, algorithms 1 and 2)")  # fmt: skip
def factor_vae_discriminator() -> Iterator[Found]:
    """Cross-entropy of codes against the same number of permuted ones."""

    def loss(c: Case) -> Tensor:
        z, uniform = c.z.detach(), c.draws[1]
        permuted = torch.stack([z[1, uniform[:, d].argsort(), d] for d in range(z.shape[2])], 1)
        weights = [(p.weight, p.bias) for p in layers(c)]
        of_codes, of_permuted = (discriminator(weights, codes) for codes in (z[0], permuted))
        real = -D.Bernoulli(logits=of_codes[:, 0] - of_codes[:, 1]).log_prob(torch.ones(len(z[0])))
        fake = -D.Bernoulli(logits=of_permuted[:, 0] - of_permuted[:, 1]).log_prob(torch.zeros(len(z[0])))
        return 0.5 * (real.mean() + fake.mean())

    words = ("objective=factor_vae", "objective.width=7", "objective.depth=2")
    for case in cases(*words, likelihoods=("bernoulli",), phase="discriminator"):
        for quantity, ours, right in loss_and_gradient(case, loss):
            yield f"discriminator's {quantity}", ours, right


def layers(case: Case) -> list[torch.nn.Linear]:
    """The linear layers of the discriminator."""
    return [part for part in case.job.objective.discriminator if isinstance(part, torch.nn.Linear)]


def discriminator(weights: list[tuple[Tensor, Tensor]], z: Tensor) -> Tensor:
    """The two logits of codes [B, D], with leaky ReLUs of slope 0.2 between the layers (appendix A of the paper)."""
    for place, (weight, bias) in enumerate(weights):
        z = torch.where(z > 0, z, 0.2 * z) if place else z
        z = z @ weight.T + bias
    return z


def mmd_by_loops(x: Tensor, y: Tensor, kernel: str, scales: tuple[float, ...]) -> Tensor:
    """The U-statistic of MMD² by a loop over all pairs (arXiv 1711.01558, algorithm 2), for as many x as y."""
    n, dims = x.shape

    def k(a: Tensor, b: Tensor) -> Tensor:
        squared = ((a - b) ** 2).sum()
        widths = [2 * dims * scale for scale in scales]
        if kernel == "imq":
            return sum(width / (width + squared) for width in widths)
        return sum(torch.exp(-squared / width) for width in widths)

    pairs = [(i, j) for i in range(n) for j in range(n)]
    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i, j in pairs if i != j) / (n * (n - 1))
    return within - 2 * sum(k(x[i], y[j]) for i, j in pairs) / n**2


SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@check("objective", "info_vae", "loss", "gradient", reference=f"{PLAIN}, loops over pairs (arXiv 1706.02262, eq. 6)")
def info_vae() -> Iterator[Found]:
    """recon + (1 − α) KL + (α + λ − 1) MMD², both kernels."""
    for kernel, alpha, scale in (("imq", 1.0, 10.0), ("rbf", 0.3, 5.0), ("imq", -1.0, 3.0)):
        words = (f"objective.kernel={kernel}", f"objective.alpha={alpha}", f"objective.scale={scale}")
        for case in cases("objective=info_vae", "objective.samples=2", *words, likelihoods=("mse",)):

            def loss(c: Case) -> Tensor:
                mmd = sum(mmd_by_loops(z, prior, kernel, SCALES) for z, prior in zip(c.z, c.draws[1:])) / 2  # noqa: B023
                kl = closed_kl(c).sum(1).mean()
                return c.recon(c.z) + (1 - alpha) * kl + (alpha + scale - 1) * mmd  # noqa: B023

            yield from loss_and_gradient(case, loss)


@check("objective", "wae", "loss", "gradient", reference=f"{PLAIN}, loops over pairs (arXiv 1711.01558, algorithm 2)")
def wae() -> Iterator[Found]:
    """recon + λ MMD² at z = μ(x), λ = 200."""
    for case in cases("objective=wae"):
        yield from loss_and_gradient(
            case, lambda c: c.recon(c.q.loc) + 200 * mmd_by_loops(c.q.loc, c.draws[1], "imq", SCALES)
        )


@check("objective", "wae", "MMD²", statistical=True,
       reference="the closed form for two Gaussians and Gaussian kernels, 2,000 sets of 20 draws")  # fmt: skip
def mmd_is_unbiased() -> Iterator[Found]:
    """E k(x, y) = Π_d (C / (C + 2 v))^½ exp(−m² / (C + 2 v)) for x − y ~ N(m, v) per dimension, k = exp(−d²/C)."""
    from vae_lab.functional import mmd, rbf_kernel

    mean, sd, dims = torch.tensor([0.5, -0.2]), torch.tensor([0.6, 1.3]), 2

    def expected(m: Tensor, v: Tensor) -> float:
        widths = [2 * dims * s for s in SCALES]
        return sum(float(((w / (w + 2 * v)).sqrt() * torch.exp(-(m**2) / (w + 2 * v))).prod()) for w in widths)

    noise = Recorded("mmd")
    estimates = [
        mmd(mean + sd * noise.normal(20, 2), noise.normal(20, 2), SCALES, rbf_kernel).item() for _ in range(2000)
    ]
    one = torch.ones(2)
    right = expected(0 * mean, 2 * sd**2) + expected(0 * mean, 2 * one) - 2 * expected(mean, sd**2 + one)
    yield "MMD²", estimates, right
