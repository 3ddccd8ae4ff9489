"""Tests of the hierarchy with inference from the bottom up."""

import torch
from helpers import random_batch
from torch.distributions import Normal as Gaussian

from vae_lab.likelihoods import Bernoulli
from vae_lab.models.hierarchical import Hierarchical
from vae_lab.nets.dense_levels import DenseLevels
from vae_lab.noise import SeededNoise

SHAPE = (1, 8, 8)


def made(latent_dims=(5, 3, 2)) -> Hierarchical:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Hierarchical(DenseLevels([16, 12, 8][: len(latent_dims)]), Bernoulli(), SHAPE, list(latent_dims)).eval()


def test_every_level_is_inferred_from_the_codes_below():
    model, x = made(), random_batch(4, SHAPE).x
    latents = model.infer(x, None, 3, SeededNoise("cpu", 0))
    assert [tuple(z.shape) for z in latents.z] == [(3, 4, 2), (3, 4, 3), (3, 4, 5)]
    second = model.q[1](model.up[1](latents.z[2].flatten(0, 1)))
    torch.testing.assert_close(latents.q[1].mu.flatten(0, 1), second.mu)


def test_the_kl_below_the_top_is_the_ratio_of_densities_at_the_samples():
    model = made()
    latents = model.infer(random_batch(4, SHAPE).x, None, 3, SeededNoise("cpu", 0), densities=True)
    for level, (z, q, kl, above) in enumerate(zip(latents.z[1:], latents.q[1:], latents.kl[1:], latents.z), start=1):
        p = model.prior_of(2 - level, above)
        ratio = (Gaussian(q.mu, torch.exp(q.log_var / 2)).log_prob(z)
                 - Gaussian(p.mu, torch.exp(p.log_var / 2)).log_prob(z))  # fmt: skip
        torch.testing.assert_close(kl, ratio, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(latents.log_p, model.log_prior(latents.z, None))


def test_one_level_is_the_vae_and_its_prior_needs_no_training():
    model = made((4,))
    assert model.standard_prior
    assert not model.kl_trains_prior
    assert made().kl_trains_prior
