import math
from functools import partial

import pytest
import torch
from helpers import INF, FlowPosterior, GivenNoise, gen, random_batch, small_model, step, tensor

from vae_lab.errors import UserError
from vae_lab.functional import log_normal, reparameterize
from vae_lab.likelihoods import MSE, Bernoulli
from vae_lab.objectives import beta_tcvae
from vae_lab.objectives.beta_tcvae import BetaTCVAE, log_aggregates, parts_of_kl, stratified, weighted
from vae_lab.objectives.elbo import ELBO
from vae_lab.priors.mixture import MixturePrior
from vae_lab.schedules import Capacity, Constant, Linear
from vae_lab.types import Normal, Step

ESTIMATORS = {"weighted": weighted, "stratified": stratified}


def tcvae(k1=1.0, k2=1.0, alpha=1.0, gamma=1.0, samples=1, estimator="weighted", schedule=None) -> BetaTCVAE:
    return BetaTCVAE(k1, k2, alpha, gamma, samples, estimator, schedule or Constant())


def posteriors(n: int, d: int) -> tuple[torch.Tensor, Normal]:
    q = Normal(torch.randn(n, d, generator=gen(1)), torch.randn(n, d, generator=gen(2)))
    return reparameterize(q.mu, q.log_var, torch.randn(1, n, d, generator=gen(3))), q


@pytest.mark.parametrize("likelihood", [MSE, Bernoulli])
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("samples", [1, 3])
def test_at_neutral_weights_it_is_the_sampled_elbo(likelihood, estimator, samples):
    model, batch = small_model(likelihood()), random_batch()
    ours = tcvae(samples=samples, estimator=estimator)(model, batch, step())
    elbo = ELBO(1, 1, samples, "A", Constant())(model, batch, step())
    torch.testing.assert_close(ours.loss, elbo.loss)
    for name in ("recon", "kl", "elbo"):
        torch.testing.assert_close(ours.logs[name], elbo.logs[name])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_parts_add_up_to_the_kl_at_the_same_samples(estimator):
    model, batch = small_model(), random_batch(20)
    logs = tcvae(estimator=estimator)(model, batch, step()).logs
    latents = model.infer(batch.x, None, 1, step().noise, densities=True)
    torch.testing.assert_close(logs["mi"] + logs["tc"] + logs["dimension_kl"], logs["kl"])
    torch.testing.assert_close(logs["kl"], (latents.log_q - latents.log_p).mean().detach())


def test_each_part_has_its_weight():
    model, batch = small_model(), random_batch()
    terms = tcvae(0.5, 6.0, 2.0, 3.0, estimator="stratified")(model, batch, step())
    recon, mi, tc, dimension_kl = (terms.logs[name] for name in ("recon", "mi", "tc", "dimension_kl"))
    torch.testing.assert_close(terms.loss.detach(), 0.5 * recon + 2 * mi + 6 * tc + 3 * dimension_kl)
    assert terms.logs == tcvae(estimator="stratified")(model, batch, step()).logs


def test_the_loss_has_the_estimator_of_the_paper_and_the_logs_the_one_that_can_be_read():
    """With weighted sampling, the loss is stratified sampling's plus constants and a difference that the logs omit."""
    model, batch = small_model(), random_batch(20)
    terms = tcvae(k2=6.0, estimator="weighted")(model, batch, step())
    latents = model.infer(batch.x, None, 1, step().noise, densities=True)
    q = Normal(latents.q[0].mu[0], latents.q[0].log_var[0])
    found = {
        name: parts_of_kl(latents.log_q, *log_aggregates(latents.z[0], q, weights(20, 1000)), latents.log_p)
        for name, weights in ESTIMATORS.items()
    }
    for name, value in zip(("mi", "tc", "dimension_kl"), found["stratified"]):
        torch.testing.assert_close(terms.logs[name], value.detach())
    mi, tc, dimension_kl = found["weighted"]
    torch.testing.assert_close(terms.loss, terms.logs["recon"] + mi + 6 * tc + dimension_kl)


def known_gaussian(batch: int, dims: int, variance: float, seed: int) -> tuple[torch.Tensor, Normal]:
    """q(z) = N(0, I): means of variance 1 − v and posteriors of variance v. MI = −(D/2) log v; TC = 0."""
    mu = math.sqrt(1 - variance) * torch.randn(batch, dims, generator=gen(seed))
    q = Normal(mu, torch.full((batch, dims), math.log(variance)))
    return reparameterize(mu, q.log_var, torch.randn(1, batch, dims, generator=gen(seed + 1000))), q


@pytest.mark.parametrize(
    ("estimator", "expected"), [("stratified", (10.86, 0.91, -0.24)), ("weighted", (15.85, 105.5, -109.8))]
)
def test_the_bias_on_a_known_gaussian_is_as_documented(estimator, expected):
    """D = 10, variance 0.1, N = 60,000, B = 128: exactly MI = 5 log 10 = 11.51, and 0 for the other two."""
    parts = []
    for seed in range(40):
        z, q = known_gaussian(128, 10, 0.1, seed)
        joint, product = log_aggregates(z, q, ESTIMATORS[estimator](128, 60_000))
        parts.append(torch.stack(parts_of_kl(log_normal(z, q.mu, q.log_var).sum(-1), joint, product,
                                             log_normal(z).sum(-1))))  # fmt: skip
    found = torch.stack(parts).mean(0)
    assert found.tolist() == pytest.approx(expected, abs=0.15)
    assert found.sum().item() == pytest.approx(5 * math.log(10), abs=0.1)  # the sum has no bias: it is the KL
    assert (found[0] < math.log(60_000)) == (estimator == "stratified")


def test_a_warm_up_weighs_the_total_correlation_alone():
    model, batch = small_model(), random_batch()
    half = tcvae(k2=8, schedule=Linear(10))(model, batch, step(epoch=5))
    torch.testing.assert_close(half.loss, tcvae(k2=4)(model, batch, step(epoch=5)).loss)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("images", [7, 40])
def test_estimates_are_those_of_plain_loops(estimator, images):
    z, q = posteriors(7, 3)
    joint, product = log_aggregates(z, q, ESTIMATORS[estimator](7, images))
    m = 6
    for i in range(7):
        weights = torch.full((7,), 1 / (images * 7))
        if estimator == "stratified":
            weights = torch.full((7,), 1 / m)
            weights[i], weights[(i + 1) % 7] = 1 / images, (images - m) / (images * m)
        density = torch.distributions.Normal(q.mu, torch.exp(0.5 * q.log_var)).log_prob(z[0, i]).exp()  # [B, D]
        torch.testing.assert_close(joint[0, i], (weights * density.prod(1)).sum().log())
        torch.testing.assert_close(product[0, i], (weights.unsqueeze(1) * density).sum(0).log().sum())


@pytest.mark.parametrize(("batch", "images"), [(1, 1), (1, 50), (2, 2), (2, 50), (50, 50), (50, 7), (3, 10**6)])
def test_stratified_weights_sum_to_1_and_none_is_negative(batch, images):
    weights = stratified(batch, images).exp()
    torch.testing.assert_close(weights.sum(1), torch.ones(batch))
    assert (weights > 0).all()


def test_chunks_change_nothing(monkeypatch):
    z, q = posteriors(9, 4)
    whole = log_aggregates(z, q, stratified(9, 30))
    monkeypatch.setattr(beta_tcvae, "_AT_ONCE", 2 * 9 * 4)
    for a, b in zip(whole, log_aggregates(z, q, stratified(9, 30))):
        torch.testing.assert_close(a, b)


def correlated(n: int, rho: float) -> tuple[torch.Tensor, Normal, float]:
    """q(z) = N(0, [[1, ρ], [ρ, 1]]): means that are correlated, and noise. TC = −½ log(1 − ρ²)."""
    noise, cov = 0.25, torch.tensor([[1.0, rho], [rho, 1.0]])
    spread = torch.linalg.cholesky(cov - noise * torch.eye(2))
    q = Normal(torch.randn(n, 2, generator=gen(4)) @ spread.T, torch.full((n, 2), math.log(noise)))
    z = reparameterize(q.mu, q.log_var, torch.randn(1, n, 2, generator=gen(5)))
    return z, q, -0.5 * math.log(1 - rho**2)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.7])
def test_the_total_correlation_of_a_gaussian_is_found(rho):
    z, q, truth = correlated(2000, rho)
    joint, product = log_aggregates(z, q, stratified(2000, 50_000))
    assert (joint - product).mean().item() == pytest.approx(truth, abs=0.03)


def test_the_weighted_estimate_is_too_high_by_log_n_per_further_dimension():
    z, q, truth = correlated(2000, 0.7)
    joint, product = log_aggregates(z, q, weighted(2000, 50_000))
    assert (joint - product).mean().item() == pytest.approx(truth + math.log(50_000), abs=0.03)


def test_both_estimates_have_gradients_of_one_kind():
    grads = []
    for weights in (weighted(500, 50_000), stratified(500, 50_000)):
        _, q, _ = correlated(500, 0.7)
        q.mu.requires_grad_()
        z = reparameterize(q.mu, q.log_var, torch.randn(1, 500, 2, generator=gen(5)))
        joint, product = log_aggregates(z, q, weights)
        grads.append(torch.autograd.grad((joint - product).mean(), q.mu)[0].flatten())
    assert torch.nn.functional.cosine_similarity(*grads, dim=0) > 0.99


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_single_image_gives_finite_numbers_and_gradients(estimator):
    model, batch = small_model(), random_batch(1)
    terms = tcvae(k2=6, estimator=estimator)(model, batch, step())
    terms.loss.backward()
    assert torch.isfinite(torch.stack([terms.loss.detach(), *terms.logs.values()])).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_number_of_training_images_is_that_of_the_step():
    model, batch, eps = small_model(), random_batch(4), torch.randn(1, 4, 3, generator=gen())
    logs = [tcvae()(model, batch, Step(tensor(0), tensor(INF), GivenNoise(eps), "model", n)).logs for n in (100, 1000)]
    latents = model.infer(batch.x, None, 1, GivenNoise(eps), densities=True)
    q = Normal(latents.q[0].mu[0], latents.q[0].log_var[0])
    for n, found in zip((100, 1000), logs):
        joint, _ = log_aggregates(latents.z[0], q, stratified(4, n))
        torch.testing.assert_close(found["mi"], (latents.log_q - joint).mean().detach())


def test_a_flow_another_prior_and_several_levels_are_refused():
    with pytest.raises(UserError, match="objective=beta_tcvae needs posterior=diagonal; type posterior=diagonal"):
        tcvae()(small_model(posterior=FlowPosterior), random_batch(), step())
    other = small_model(prior=partial(MixturePrior, components=2, spread=1.0))
    with pytest.raises(UserError, match="objective=beta_tcvae needs prior=standard; type prior=standard"):
        tcvae()(other, random_batch(), step())
    several = small_model()
    infer, decode = several.infer, several.decode

    def two_levels(*args, **more):
        latents = infer(*args, **more)
        latents.z, latents.q = latents.z * 2, latents.q * 2
        return latents

    several.infer, several.decode = two_levels, decode
    with pytest.raises(UserError, match="objective=beta_tcvae needs one level of latents, and this model has 2; type"):
        tcvae()(several, random_batch(), step())


def test_a_capacity_is_refused():
    with pytest.raises(UserError, match="beta_schedule=capacity is for the complete KL; type objective=elbo"):
        tcvae(schedule=Capacity(25, 10))
