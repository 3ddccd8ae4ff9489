import math

import pytest
import torch
from helpers import FakeTrained, gen, labelled

from vae_lab.functional import kl_normal, log_normal, mmd, reparameterize
from vae_lab.metrics.aggregate_posterior import AggregatePosterior, log_aggregate_density, mean_kernel
from vae_lab.types import Latents, Normal


class GivenPosteriors:
    """Gives the posteriors in their order, whatever the images are; the prior is N(0, I)."""

    def __init__(self, mu: torch.Tensor, log_var: torch.Tensor) -> None:
        self.mu, self.log_var, self.start = mu, log_var, 0

    def infer(self, x, y, k, noise):
        here = slice(self.start, self.start + len(x))
        self.start += len(x)
        q = Normal(self.mu[here].unsqueeze(0), self.log_var[here].unsqueeze(0))
        z = reparameterize(q.mu, q.log_var, noise.normal(k, *q.mu.shape[1:]))
        return Latents((z,), (kl_normal(q.mu, q.log_var),), (q,))

    def prior_sample(self, n, y, noise):
        return (noise.normal(1, n, self.mu.shape[1]),)


def fake(mu, log_var) -> FakeTrained:
    return FakeTrained(labelled(len(mu)), model=GivenPosteriors(mu, torch.as_tensor(log_var).expand_as(mu)))


def scores(mu, log_var, **options):
    return AggregatePosterior(**options)(fake(mu, log_var))


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((n, d), generator=gen(seed))


def test_codes_at_the_prior_say_nothing_and_fit_it():
    found = scores(torch.zeros(1000, 2), 0.0)
    assert found.values["mutual_information"] == pytest.approx(0, abs=1e-6)
    assert found.values["marginal_kl"] == pytest.approx(0, abs=1e-6)
    low, high = found.intervals["mmd"]
    assert low < 0 < high
    assert abs(found.values["mmd_floor"]) < 0.01
    assert found.notes == []


def test_gaussian_codes_have_the_known_information_and_marginal():
    """μ ~ N(0, 0.8), σ² = 0.2: q(z) is the prior. With μ ~ N(0, 2.8) it is N(0, 3)."""
    for spread, sigma2 in ((0.8, 0.2), (2.8, 0.2)):
        total = spread + sigma2
        found = scores(math.sqrt(spread) * normal(2000, 1), math.log(sigma2), resamples=2).values
        assert found["mutual_information"] == pytest.approx(0.5 * math.log(total / sigma2), abs=0.05)
        assert found["marginal_kl"] == pytest.approx(0.5 * (total - 1 - math.log(total)), abs=0.1)


def test_information_and_marginal_add_up_to_the_kl():
    mu = normal(300, 3)
    found = scores(mu, -1.0).values
    kl = kl_normal(mu, torch.tensor(-1.0)).sum(1).mean().item()
    assert found["mutual_information"] + found["marginal_kl"] == pytest.approx(kl, rel=1e-5)


def test_codes_far_apart_reach_log_n_and_are_called_a_lower_bound():
    found = scores(100 * torch.arange(50.0).unsqueeze(1), -2.0)
    assert found.values["mutual_information"] == pytest.approx(math.log(50), abs=1e-9)
    assert found.protocol["aggregate_posterior"]["log_n"] == pytest.approx(math.log(50))
    assert "log N = 3.91" in found.notes[0]


def test_the_density_of_the_mixture_is_that_of_its_parts():
    z, mu, log_var = normal(7, 3, 1), normal(5, 3, 2), normal(5, 3, 3)
    parts = log_normal(z.unsqueeze(1), mu, log_var).sum(2)
    torch.testing.assert_close(log_aggregate_density(z, mu, log_var), parts.exp().mean(1).log().double())


def test_a_shifted_prior_has_the_mmd_of_the_formula():
    codes = fake(torch.full((400, 2), 1.5), 0.0)
    found = AggregatePosterior(resamples=50)(codes)
    low, high = found.intervals["mmd"]
    assert 10 * abs(found.values["mmd_floor"]) < low < found.values["mmd"] < high
    again = AggregatePosterior(resamples=50)(fake(torch.full((400, 2), 1.5), 0.0))
    assert again.values == found.values
    assert again.intervals == found.intervals


def test_blocks_and_weights_of_one_give_the_u_statistic():
    x, y, one = normal(500, 2, 1), normal(400, 2, 2) + 0.5, torch.ones(500, 1)
    parts = mean_kernel(x, x, one, one) + mean_kernel(y, y, one[:400], one[:400])
    torch.testing.assert_close(
        (parts - 2 * mean_kernel(x, y, one, one[:400])).squeeze().float(), mmd(x, y), atol=1e-5, rtol=0
    )


def test_a_resample_is_the_statistic_of_its_draws():
    """Weights count repetitions; pairs of a draw with its own copy are no pairs."""
    x, counts = normal(3, 2), torch.tensor([[2.0], [1.0], [0.0]])
    expected = mean_kernel(x[:2], x[:2].clone(), torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0], [1.0]]))
    torch.testing.assert_close(mean_kernel(x, x, counts, counts), expected)


def test_every_number_has_a_meaning_and_an_interval_holds_it():
    found = scores(normal(200, 2), -1.0)
    assert set(found.meanings) == set(found.values)
    assert all(low < found.values[name] < high for name, (low, high) in found.intervals.items())
