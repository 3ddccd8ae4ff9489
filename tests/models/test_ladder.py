"""Tests of the ladder VAE: the precision-weighted posterior, its special cases, and its conditional variant."""

import pytest
import torch
from helpers import random_batch
from torch.distributions import Normal as Gaussian
from torch.distributions import kl_divergence

from vae_lab.errors import UserError
from vae_lab.likelihoods import Bernoulli
from vae_lab.models.gaussian_levels import kl_normals
from vae_lab.models.ladder import Ladder, merged
from vae_lab.nets.conv_levels import ConvLevels
from vae_lab.nets.dense_levels import DenseLevels
from vae_lab.noise import SeededNoise
from vae_lab.types import Normal

SHAPE = (1, 8, 8)


def ladder(latent_dims=(5, 3, 2), **more) -> Ladder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        widths = [16, 12, 8][: len(latent_dims)]
        return Ladder(DenseLevels(widths), Bernoulli(), SHAPE, list(latent_dims), **more).eval()


def infer(model: Ladder, k=2, n=4, densities=True):
    return model.infer(random_batch(n, SHAPE).x, None, k, SeededNoise("cpu", 0), densities)


def test_merged_is_the_normalised_product_of_two_densities():
    a, b = Normal(torch.tensor([0.3]), torch.tensor([-0.5])), Normal(torch.tensor([-1.0]), torch.tensor([0.8]))
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    product = sum(Gaussian(one.mu, torch.exp(one.log_var / 2)).log_prob(z) for one in (a, b)).exp()
    product = product / torch.trapezoid(product, z)
    q = merged(a, b)
    torch.testing.assert_close(torch.trapezoid(z * product, z), q.mu[0].double(), rtol=1e-5, atol=1e-6)
    variance = torch.trapezoid((z - q.mu) ** 2 * product, z)
    torch.testing.assert_close(variance, q.log_var[0].double().exp(), rtol=1e-5, atol=1e-6)


def test_an_estimate_without_precision_leaves_the_prior():
    prior = Normal(torch.tensor([0.7]), torch.tensor([-1.0]))
    q = merged(Normal(torch.tensor([5.0]), torch.tensor([40.0])), prior)
    torch.testing.assert_close((q.mu, q.log_var), (prior.mu, prior.log_var))


def test_the_kl_of_two_gaussians_is_that_of_torch_distributions():
    q, p = (Normal(torch.randn(6, 3), torch.randn(6, 3)) for _ in range(2))
    expected = kl_divergence(*(Gaussian(one.mu, torch.exp(one.log_var / 2)) for one in (q, p)))
    torch.testing.assert_close(kl_normals(q, p), expected, rtol=1e-5, atol=1e-6)


def test_every_level_is_drawn_given_the_level_above():
    model = ladder()
    latents = infer(model, k=3)
    assert [tuple(z.shape) for z in latents.z] == [(3, 4, 2), (3, 4, 3), (3, 4, 5)]
    prior = model.prior_of(0, latents.z[1])
    lower, _ = model._estimates(random_batch(4, SHAPE).x, None)
    expected = merged(lower[0], prior)
    torch.testing.assert_close((latents.q[2].mu, latents.q[2].log_var), (expected.mu, expected.log_var))


def test_the_densities_are_those_of_torch_distributions():
    model = ladder()
    latents = infer(model)
    log_q = sum(Gaussian(q.mu, torch.exp(q.log_var / 2)).log_prob(z).sum(-1) for q, z in zip(latents.q, latents.z))
    torch.testing.assert_close(latents.log_q, log_q, rtol=1e-5, atol=1e-5)
    priors = [Normal(torch.zeros(2), torch.zeros(2)), *(model.prior_of(i, z) for i, z in zip((1, 0), latents.z))]
    log_p = sum(Gaussian(p.mu, torch.exp(p.log_var / 2)).log_prob(z).sum(-1) for p, z in zip(priors, latents.z))
    torch.testing.assert_close(latents.log_p, log_p, rtol=1e-5, atol=1e-5)


def test_one_level_is_the_vae():
    model = ladder((4,))
    latents = infer(model)
    assert model.standard_prior
    head = model.q[0](model.up[0](random_batch(4, SHAPE).x))
    torch.testing.assert_close(latents.q[0].mu[0], head.mu)
    standard = Gaussian(torch.zeros(4), torch.ones(4))
    torch.testing.assert_close(
        latents.kl[0][0], kl_divergence(Gaussian(head.mu, torch.exp(head.log_var / 2)), standard), rtol=1e-5, atol=1e-6
    )


def test_a_condition_reaches_inference_and_the_decoder_and_not_the_prior():
    model, x = ladder(conditional=True, y_size=10), random_batch(4, SHAPE).x
    one, two = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
    a, b = (model.infer(x, y, 1, SeededNoise("cpu", 0)) for y in (one, two))
    assert not torch.equal(a.z[0], b.z[0])
    assert not torch.equal(model.decode(a.z, one), model.decode(a.z, two))
    assert torch.equal(model.log_prior(a.z, one), model.log_prior(a.z, two))


def test_codes_of_convolutions_are_grids_of_any_size_of_image():
    model = Ladder(ConvLevels([8, 8, 8], [2, 4, 8]), Bernoulli(), (1, 28, 20), [1, 2, 3]).eval()
    assert model.latent_shapes == ((3, 4, 3), (2, 7, 5), (1, 14, 10))
    z = model.prior_sample(2, None, SeededNoise("cpu", 0))
    assert tuple(model.decode(z, None).shape) == (1, 2, 1, 28, 20)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ladder((4, 3)).__class__(DenseLevels([8]), Bernoulli(), SHAPE, [4, 3]), "2 entries, and the networks"),
        (lambda: ConvLevels([8, 8], [2]), "1 entry and model.net.channels 2"),
        (lambda: ConvLevels([8, 8], [4, 2]), r"type model.net.scales=\[2,4\]"),
        (lambda: Ladder(ConvLevels([8], [16]), Bernoulli(), SHAPE, [1]), "16 times smaller than an image of 8×8"),
    ],
)
def test_levels_that_do_not_fit_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()
