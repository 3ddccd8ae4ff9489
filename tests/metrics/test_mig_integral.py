import math

import pytest
import torch
from factor_grids import DISGUISED, DOUBLED, PERFECT, SIZES, WITH_UNUSED, noise, trained
from helpers import gen
from scipy.integrate import quad
from scipy.stats import norm

from vae_lab.metrics.mig import information_gaps
from vae_lab.metrics.mig_integral import MIGIntegral, informations, integral_gaps
from vae_lab.types import Normal

VALUES = torch.cartesian_prod(*(torch.arange(size) for size in SIZES))


def score(mu: torch.Tensor, sigma: float | torch.Tensor) -> float:
    fake = trained(mu)
    fake.given_factor_log_var = 2 * torch.log(torch.as_tensor(sigma).expand_as(mu))
    return MIGIntegral()(fake).values["mig_integral"]


@pytest.mark.parametrize("codes", [PERFECT, DISGUISED, WITH_UNUSED])
def test_a_narrow_posterior_in_a_dimension_of_each_factor_gives_one(codes):
    assert score(codes, 1e-3) == pytest.approx(1, abs=1e-3)


def test_two_dimensions_with_equal_information_have_no_gap():
    assert score(DOUBLED, torch.tensor([0.1, 0.1, 0.1, 0.2, 0.2, 0.2])) == pytest.approx(0, abs=1e-6)


def test_wide_posteriors_hide_what_their_means_tell():
    """Which the score of the means does not see."""
    assert score(PERFECT, 100.0) == pytest.approx(0, abs=1e-4)
    assert information_gaps(PERFECT.numpy(), VALUES.numpy(), 20) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
def test_two_gaussians_have_the_information_of_an_integral(sigma):
    """I(z; v) of z ~ N(±1, σ²) with a fair sign v, by quadrature."""
    mixture = lambda z: (norm.pdf(z, -1, sigma) + norm.pdf(z, 1, sigma)) / 2  # noqa: E731
    entropy = quad(lambda z: -mixture(z) * math.log(mixture(z)), -1 - 8 * sigma, 1 + 8 * sigma, limit=200)[0]
    known = entropy - norm.entropy(0, sigma)
    q = Normal(torch.tensor([[-1.0], [1.0]]), torch.full((2, 1), 2 * math.log(sigma)))
    assert informations(q, torch.tensor([[0], [1]]), (2,), 500).item() == pytest.approx(known, abs=1e-3)


def by_draws(q: Normal, values: torch.Tensor, sizes, draws: int = 20_000) -> torch.Tensor:
    """The estimator of the paper: entropies by draws from the mixtures, −mean log (1/N) Σ_n q(z|x_n): [F, D]."""

    def entropies(mu, sigma):
        which = torch.randint(len(mu), (draws,), generator=gen(1))
        z = mu[which] + sigma[which] * torch.randn(draws, mu.shape[1], generator=gen(2))
        log_q = torch.distributions.Normal(mu, sigma).log_prob(z.unsqueeze(1))
        return -(log_q.logsumexp(1) - math.log(len(mu))).mean(0)

    sigma = torch.exp(0.5 * q.log_var)
    own = [torch.stack([entropies(q.mu[values[:, k] == v], sigma[values[:, k] == v]) for v in range(size)]).mean(0)
           for k, size in enumerate(sizes)]  # fmt: skip
    return entropies(q.mu, sigma) - torch.stack(own)


def test_draws_give_the_same_information():
    q = Normal(PERFECT + 0.2 * noise(3), 2 * torch.log(0.1 + 0.3 * torch.rand(60, 3, generator=gen(4))))
    found = informations(q, VALUES, SIZES, 500)
    torch.testing.assert_close(found, by_draws(q, VALUES, SIZES).double(), atol=0.02, rtol=0)
    assert found.max() > 0.3


def test_the_gap_is_a_share_of_the_factor_s_entropy():
    information = torch.tensor([[0.5, -0.01, 0.2], [0.1, 1.0, 0.0]], dtype=torch.float64)
    known = [0.3 / math.log(2), 0.9 / math.log(8)]
    assert integral_gaps(information, (2, 8)).tolist() == pytest.approx(known)
    assert integral_gaps(information[:, :1], (2, 8)).tolist() == pytest.approx([0.5 / math.log(2), 0.1 / math.log(8)])


def test_more_images_than_a_block_change_nothing(monkeypatch):
    q = Normal(PERFECT, torch.full_like(PERFECT, -3.0))
    whole = informations(q, VALUES, SIZES, 100)
    monkeypatch.setattr("vae_lab.metrics.mig_integral.BLOCK", 7)
    torch.testing.assert_close(informations(q, VALUES, SIZES, 100), whole, atol=1e-5, rtol=1e-5)


def test_codes_that_are_not_finite_give_a_note():
    fake = trained(torch.full((60, 3), float("nan")))
    scores = MIGIntegral()(fake)
    assert scores.values == {}
    assert "No mig_integral" in scores.notes[0]
