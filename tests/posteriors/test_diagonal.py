import math

import torch
from helpers import GivenNoise, gen

from vae_lab.noise import SeededNoise
from vae_lab.posteriors import DiagonalNormal


def with_constant_heads(mu: float, log_var: float) -> DiagonalNormal:
    posterior = DiagonalNormal(4, 2)
    for head, value in ((posterior.mu, mu), (posterior.log_var, log_var)):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.constant_(head.bias, value)
    return posterior


def test_samples_are_mu_plus_sigma_eps():
    posterior = DiagonalNormal(4, 2)
    eps = torch.randn(3, 5, 2, generator=gen())
    z, log_q, q = posterior(torch.randn(5, 4, generator=gen(1)), 3, GivenNoise(eps))
    torch.testing.assert_close(z, q.mu + torch.exp(0.5 * q.log_var) * eps)
    assert log_q is None


def test_the_second_head_is_the_log_of_the_variance():
    posterior = with_constant_heads(1.5, math.log(0.25))
    z, _, _ = posterior(torch.zeros(1, 4), 100_000, SeededNoise("cpu", 0))
    torch.testing.assert_close(z.mean((0, 1)), torch.full((2,), 1.5), atol=0.01, rtol=0)
    torch.testing.assert_close(z.std((0, 1)), torch.full((2,), 0.5), atol=0.01, rtol=0)


def test_images_of_a_batch_do_not_share_noise():
    posterior = with_constant_heads(0.0, 0.0)
    z, _, _ = posterior(torch.zeros(50, 4), 2, SeededNoise("cpu", 0))
    assert len(z.flatten().unique()) == z.numel()
