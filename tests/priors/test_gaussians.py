import math

import pytest
import torch
from helpers import gen
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from vae_lab.noise import SeededNoise
from vae_lab.priors.gaussians import Gaussians


def test_the_mixture_density_is_that_of_torch_distributions():
    w, mu, log_var = torch.randn(4, generator=gen()), *torch.randn(2, 4, 3, generator=gen(1))
    mixture = Gaussians(torch.log_softmax(w, 0), 3 * mu, 2 * log_var)
    components = Independent(Normal(3 * mu, torch.exp(log_var)), 1)
    expected = MixtureSameFamily(Categorical(logits=w), components)
    z = 4 * torch.randn(6, 7, 3, generator=gen(2))
    torch.testing.assert_close(mixture.log_prob(z), expected.log_prob(z))


def test_narrow_components_far_out_keep_their_precision():
    """The implementation expands the square, which in float32 would give errors of more than a nat here."""
    mu, log_var = torch.full((2, 3), 50.0), torch.full((2, 3), math.log(1e-6))
    found = Gaussians(torch.full((2,), -math.log(2)), mu, log_var).log_prob(mu[:1])
    assert found.item() == pytest.approx(3 * -0.5 * math.log(2 * math.pi * 1e-6), abs=1e-4)


def test_components_are_drawn_as_often_as_they_weigh():
    w = torch.tensor([0.5, 0.0, 0.3, 0.2])
    mixture = Gaussians(w.log(), torch.arange(4.0).unsqueeze(1), torch.full((4, 1), -30.0))
    z = mixture.sample(50_000, SeededNoise("cpu", 0)).round().long()[:, 0]
    torch.testing.assert_close(torch.bincount(z, minlength=4) / 50_000, w, atol=0.01, rtol=0)
