"""Hierarchies of latents, computed again with torch.distributions: densities, KL and scores of levels."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch import distributions as D
from torch.nn import functional as F

from check_science.cases import PRIOR, job_of, px
from check_science.checks import Found, check
from check_science.evaluated import TEST, evaluation, evaluation_of, images
from vae_lab.metrics.levels import Levels
from vae_lab.noise import SeededNoise

SMALL = ("model.latent_dims=[3,2]", "model.net.widths=[8,6]", "model.net.depth=1", "model.net.norm=none")
DIMS = (2, 3)  # of the latents, the top level first


def moments(head: Any, features: Tensor) -> D.Normal:
    """N(μ, σ²) with σ² = softplus(v) (arXiv 1602.02282, equation 5)."""
    mu, v = head.layer(features).chunk(2, 1)
    return D.Normal(mu, F.softplus(v).sqrt())


def product(a: D.Normal, b: D.Normal) -> D.Normal:
    """The normalised product of two Gaussians by their precisions (arXiv 1602.02282, equations 17 to 19)."""
    precision = a.scale**-2 + b.scale**-2
    return D.Normal((a.loc * a.scale**-2 + b.loc * b.scale**-2) / precision, precision**-0.5)


def ladder(model: Any, x: Tensor, noise: SeededNoise) -> tuple[list[D.Normal], list[D.Normal], list[Tensor]]:
    """q and p of both levels of a ladder and the samples, each [B, D], the top first."""
    d1 = model.up[0](x)
    top = moments(model.q[1], model.up[1](d1))
    z2 = top.loc + top.scale * noise.normal(1, len(x), DIMS[0])[0]
    p1 = moments(model.p[0], model.down[0](z2))
    q1 = product(moments(model.q[0], d1), p1)
    z1 = q1.loc + q1.scale * noise.normal(1, len(x), DIMS[1])[0]
    return [top, q1], [PRIOR, p1], [z2, z1]


def bottom_up(model: Any, x: Tensor, noise: SeededNoise) -> tuple[list[D.Normal], list[D.Normal], list[Tensor]]:
    """The same of the plain hierarchy, in which z₂ is inferred from z₁."""
    q1 = moments(model.q[0], model.up[0](x))
    z1 = q1.loc + q1.scale * noise.normal(1, len(x), DIMS[1])[0]
    q2 = moments(model.q[1], model.up[1](z1))
    z2 = q2.loc + q2.scale * noise.normal(1, len(x), DIMS[0])[0]
    return [q2, q1], [PRIOR, moments(model.p[0], model.down[0](z2))], [z2, z1]


INFERENCE = {"ladder": ladder, "hierarchical": bottom_up}


@check("formula", "hierarchies", "log q(z|x)", "log p(z)", "KL of the top", "log p(x|z)",
       reference="torch.distributions (arXiv 1602.02282, equations 1 to 5, 17 to 19; 1509.00519)")  # fmt: skip
def densities() -> Iterator[Found]:
    """The ladder and the plain hierarchy of two levels, with the same draws."""
    for name, infer in INFERENCE.items():
        model: Any = job_of(f"model={name}", *SMALL, likelihood="bernoulli").model
        x = torch.bernoulli(torch.rand(7, *model.x_shape))
        ours = model.infer(x, None, 1, SeededNoise("cpu", "levels"), densities=True)
        q, p, z = infer(model, x, SeededNoise("cpu", "levels"))
        yield "log q(z|x)", ours.log_q[0], sum(one.log_prob(code).sum(1) for one, code in zip(q, z))
        yield "log p(z)", ours.log_p[0], sum(one.log_prob(code).sum(1) for one, code in zip(p, z))
        yield "KL of the top", ours.kl[0][0], D.kl_divergence(q[0], PRIOR)
        out = model.decoder(z[1])
        log_px = px("bernoulli", out).log_prob(x).flatten(1).sum(1)
        yield "log p(x|z)", model.likelihood.log_prob(model.decode(ours.z, None), x)[0], log_px


@check("metrics", "levels", "kl_level1", "kl_level2", "active_units_level1", "active_units_level2", "recon_top1",
       reference="torch.distributions and NumPy (arXiv 1602.02282; 1509.00519, section 5.2)")  # fmt: skip
def levels() -> Iterator[Found]:
    """A ladder of two levels, of whose lower level one dimension is switched off."""
    job: Any = job_of("model=ladder", *SMALL, likelihood="bernoulli")
    with torch.no_grad():  # in the first dimension q₁ is almost p₁
        job.model.q[0].layer.weight[[0, 3]] = 0
        job.model.q[0].layer.bias[3] = 40
    made, model = evaluation_of(job, evaluation(likelihood="bernoulli", binary=True).data), job.model
    found = made.run({"levels": Levels()}).values
    x = images(made, "test")
    q, p, _ = ladder(model, x, made.noise("codes"))
    kl = D.kl_divergence(q[1], p[1])
    yield "kl_level2", found["test/kl_level2"], D.kl_divergence(q[0], PRIOR).sum(1).mean()
    yield "kl_level1", found["test/kl_level1"], kl.sum(1).mean()
    spread = q[0].loc.detach().numpy().var(0, ddof=1)
    yield "active_units_level2", found["test/active_units_level2"], (spread > 0.01).sum()
    yield "active_units_level1", found["test/active_units_level1"], (kl.mean(0) > 0.01).sum()
    noise = made.noise("upper levels")
    z2 = ladder(model, x, noise)[2][0]
    p1 = moments(model.p[0], model.down[0](z2))
    z1 = p1.loc + p1.scale * noise.normal(1, TEST, DIMS[1])[0]
    log_px = px("bernoulli", model.decoder(z1)).log_prob(x).flatten(1).sum(1)
    yield "recon_top1", found["test/recon_top1"], -log_px.mean()
