import math

import pytest
import torch
from helpers import gen
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise
from torch.distributions import Normal, kl_divergence

from vae_lab.functional import (
    IMQ_SCALES,
    imq_kernel,
    kl_normal,
    log_mean_exp,
    log_normal,
    mmd,
    rbf_kernel,
    reparameterize,
)


def gaussians(n: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(n, generator=gen(1)) * 2, torch.randn(n, generator=gen(2))


def test_kl_is_that_of_torch_distributions():
    mu, log_var = gaussians()
    expected = kl_divergence(Normal(mu, torch.exp(0.5 * log_var)), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_normal(mu, log_var), expected)


def test_closed_form_kl_is_the_monte_carlo_kl():
    mu, log_var = torch.tensor(0.7), torch.tensor(-1.1)
    z = reparameterize(mu, log_var, torch.randn(400_000, generator=gen()))
    sampled = (log_normal(z, mu, log_var) - log_normal(z)).mean()
    assert sampled.item() == pytest.approx(kl_normal(mu, log_var).item(), abs=0.01)


def test_kl_is_zero_at_the_prior_and_least_at_sigma_1():
    sigma = torch.linspace(0.3, 3, 271)
    kl = kl_normal(torch.zeros(271), 2 * torch.log(sigma))
    assert kl_normal(torch.tensor(0.0), torch.tensor(0.0)) == 0
    assert sigma[kl.argmin()].item() == pytest.approx(1.0, abs=0.006)


def test_kl_has_no_gradient_at_the_prior():
    mu, log_var = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    kl_normal(mu, log_var).sum().backward()
    assert mu.grad.item() == log_var.grad.item() == 0


def test_log_normal_is_that_of_torch_distributions():
    mu, log_var = gaussians()
    z = torch.randn(50, generator=gen(3))
    torch.testing.assert_close(log_normal(z, mu, log_var), Normal(mu, torch.exp(0.5 * log_var)).log_prob(z))
    torch.testing.assert_close(log_normal(z), Normal(0.0, 1.0).log_prob(z))


def test_log_normal_keeps_float64():
    z = torch.randn(5, generator=gen(), dtype=torch.float64)
    assert log_normal(z).dtype == torch.float64


def test_reparameterize_reads_log_var_as_log_of_sigma_squared():
    eps = torch.tensor([-1.0, 0.0, 2.0])
    z = reparameterize(torch.tensor(5.0), torch.tensor(math.log(9.0)), eps)
    torch.testing.assert_close(z, torch.tensor([2.0, 5.0, 11.0]))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_log_mean_exp_is_the_log_of_the_mean_of_exp(dim):
    x = torch.randn(4, 3, generator=gen())
    torch.testing.assert_close(log_mean_exp(x, dim), x.exp().mean(dim).log())


@pytest.mark.parametrize("shift", [-5000.0, 5000.0])
def test_log_mean_exp_moves_with_its_argument_however_large(shift):
    x = torch.randn(7, 2, generator=gen(), dtype=torch.float64)
    torch.testing.assert_close(log_mean_exp(x + shift), log_mean_exp(x) + shift)


def test_log_mean_exp_of_one_sample_is_that_sample():
    x = torch.randn(1, 6, generator=gen())
    torch.testing.assert_close(log_mean_exp(x), x[0])


def draws(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn((n, d), generator=gen(seed))


def test_the_kernel_is_largest_at_no_distance_and_half_of_each_scale_at_its_width():
    x = torch.zeros(1, 3)
    y = torch.tensor([[0.0, 0.0, 0.0], [math.sqrt(6), 0.0, 0.0]])
    torch.testing.assert_close(imq_kernel(x, y, [1.0]), torch.tensor([[1.0, 0.5]]))
    torch.testing.assert_close(imq_kernel(x, y[:1]), torch.tensor([[float(len(IMQ_SCALES))]]))


def test_kernels_are_those_of_sklearn_and_of_scipys_distances():
    x, y = draws(6, 3, 1).double(), draws(4, 3, 2).double()
    widths = [2 * 3 * s for s in (0.5, 2.0)]
    gaussians = sum(pairwise.rbf_kernel(x, y, gamma=1 / width) for width in widths)
    inverses = sum(width / (width + cdist(x, y) ** 2) for width in widths)
    torch.testing.assert_close(rbf_kernel(x, y, (0.5, 2.0)), torch.as_tensor(gaussians))
    torch.testing.assert_close(imq_kernel(x, y, (0.5, 2.0)), torch.as_tensor(inverses))


@pytest.mark.parametrize("kernel", [imq_kernel, rbf_kernel])
def test_mmd_is_the_mean_over_pairs_of_different_draws(kernel):
    x, y = draws(4, 2, 1).double(), draws(3, 2, 2).double()

    def k(a, b):
        return kernel(a.unsqueeze(0), b.unsqueeze(0), IMQ_SCALES).item()

    within_x = sum(k(x[i], x[j]) for i in range(4) for j in range(4) if i != j) / 12
    within_y = sum(k(y[i], y[j]) for i in range(3) for j in range(3) if i != j) / 6
    across = sum(k(a, b) for a in x for b in y) / 12
    assert mmd(x, y, kernel=kernel).item() == pytest.approx(within_x + within_y - 2 * across)


def test_mmd_of_gaussians_under_the_rbf_kernel_has_a_closed_form():
    """E exp(−u²/C) = √(C/(C + 2v)) exp(−m²/(C + 2v)) for u ~ N(m, v); here C = 2 and v = 2 in one dimension."""
    mean = {m: math.sqrt(2 / 6) * math.exp(-(m**2) / 6) for m in (0.0, 2.0)}
    estimate = mmd(draws(1500, 1, 1), draws(1500, 1, 2) + 2, [1.0], rbf_kernel)
    assert estimate.item() == pytest.approx(2 * (mean[0.0] - mean[2.0]), rel=0.05)


def test_mmd_of_gaussians_is_that_of_the_integral():
    """x − x' ~ N(0, 2), x − y ~ N(2, 2) in one dimension, so that each mean of the kernel is one integral."""
    u = torch.linspace(-20, 20, 20_001, dtype=torch.float64)
    kernel = imq_kernel(torch.zeros(1, 1, dtype=torch.float64), u.unsqueeze(1))[0]
    same, across = (
        torch.trapezoid(kernel * Normal(torch.tensor(m), math.sqrt(2)).log_prob(u).exp(), u) for m in (0.0, 2.0)
    )
    estimate = mmd(draws(1500, 1, 1), draws(1500, 1, 2) + 2)
    assert estimate.item() == pytest.approx(2 * (same - across).item(), rel=0.05)


@pytest.mark.parametrize("kernel", [imq_kernel, rbf_kernel])
def test_mmd_is_unbiased_where_the_distributions_are_equal(kernel):
    found = torch.stack([mmd(draws(40, 2, 2 * i), draws(40, 2, 2 * i + 1), kernel=kernel) for i in range(200)])
    assert found.min() < 0 < found.max()
    assert abs(found.mean()) < 3 * found.std() / math.sqrt(200)


def test_mmd_draws_two_sets_together():
    x = draws(50, 2, 1).requires_grad_()
    mmd(x, draws(50, 2, 2) + 3).backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad.mean(0) < 0).all()  # a step against the gradient moves x towards the others
