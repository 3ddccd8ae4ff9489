import math
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from helpers import FakeTrained, FlowPosterior, gen, labelled, small_model
from torch.distributions import LowRankMultivariateNormal, Normal, kl_divergence

from vae_lab.examples import Examples
from vae_lab.functional import log_normal
from vae_lab.likelihoods import MSE, Bernoulli
from vae_lab.metrics import nll
from vae_lab.metrics.nll import NLL, bound_rows, effective_samples, grouped_bound
from vae_lab.types import Latents

SIGMA = 0.5


class LinearGaussian:
    """Probabilistic PCA, x = W z + b + σ ε: log p(x) and the posterior are known. ``wide`` and ``off`` spoil q."""

    x_shape, latent_dim = (1, 4, 4), 2
    latent_shapes = ((2,),)
    likelihood = SimpleNamespace(
        discrete=False,
        log_prob=lambda params, x: Normal(params, SIGMA).log_prob(x).flatten(2).sum(2),
    )

    def __init__(self, wide: float = 1.0, off: float = 0.0) -> None:
        basis, _ = torch.linalg.qr(torch.randn(16, 2, generator=gen(5)))
        self.weight = basis * torch.tensor([1.0, 0.7])  # orthogonal columns: the posterior is diagonal
        self.bias = torch.full((16,), 0.5)
        self.variance = 1 / (1 + self.weight.square().sum(0) / SIGMA**2)
        self.wide, self.off = wide, off

    def posterior(self, x):
        mu = self.variance * ((x.flatten(1) - self.bias) @ self.weight) / SIGMA**2
        return mu + self.off, (self.variance * self.wide**2).expand_as(mu)

    def infer(self, x, y, k, noise, densities=False):
        mu, variance = self.posterior(x)
        z = mu + variance.sqrt() * noise.normal(k, *mu.shape)
        log_q, log_p = log_normal(z, mu, variance.log()).sum(-1), log_normal(z).sum(-1)
        return Latents((z,), (), (None,), log_q, log_p)

    def decode(self, z, y):
        return (z[0] @ self.weight.T + self.bias).unflatten(-1, self.x_shape)

    def log_px(self, x):
        cov = LowRankMultivariateNormal(self.bias, self.weight, torch.full((16,), SIGMA**2))
        return cov.log_prob(x.flatten(1))

    def elbo(self, x):
        mu, variance = self.posterior(x)
        kl = kl_divergence(Normal(mu, variance.sqrt()), Normal(0.0, 1.0)).sum(1)
        residual = (x.flatten(1) - mu @ self.weight.T - self.bias).square().sum(1)
        spread = (variance * self.weight.square().sum(0)).sum(1)
        return -0.5 * ((residual + spread) / SIGMA**2 + 16 * math.log(2 * math.pi * SIGMA**2)) - kl


def linear(wide: float = 1.0, off: float = 0.0, n: int = 40) -> FakeTrained:
    return FakeTrained(labelled(n, (1, 4, 4)), model=LinearGaussian(wide, off))


def truth(fake: FakeTrained) -> tuple[float, float]:
    """(−log p(x), −ELBO), means over the test images."""
    x = torch.cat(list(fake.data.clean("test")))
    return -fake.model.log_px(x).mean().item(), -fake.model.elbo(x).mean().item()


def trained(likelihood=None, images=None, **model) -> FakeTrained:
    net = small_model(likelihood or MSE(), **model).eval().requires_grad_(False)
    return FakeTrained(images or labelled(12), model=net)


def test_the_estimate_is_the_known_likelihood():
    fake = linear(wide=1.4, off=0.3)
    found = NLL(samples=3000)(fake)
    error = math.sqrt(1 / found.values["nll_ess"] / 40)  # of the mean of 40 logarithms of mean weights
    assert found.values["nll"] == pytest.approx(truth(fake)[0], abs=4 * error)
    assert error < 0.01 < truth(fake)[1] - truth(fake)[0]


def test_one_sample_is_the_elbo():
    fake = linear(wide=1.4, off=0.3)
    first = NLL(samples=3000, bounds=[1])(fake).arrays["nll_bounds"][0]
    assert first["k"] == 1
    assert first["nll"] == pytest.approx(truth(fake)[1], abs=0.02)


def test_under_the_exact_posterior_one_sample_is_exact_and_all_count():
    fake = linear()
    found = NLL(samples=50, bounds=[1, 10])(fake)
    assert [row["nll"] for row in found.arrays["nll_bounds"]] == pytest.approx([truth(fake)[0]] * 3, abs=1e-4)
    assert found.values["nll_ess"] == pytest.approx(50, rel=1e-3)
    assert found.notes == []


def test_the_bounds_fall_with_k():
    rows = NLL(samples=2000, bounds=[1, 10, 100])(linear(wide=1.4, off=0.5)).arrays["nll_bounds"]
    assert [row["k"] for row in rows] == [1, 10, 100, 2000]
    assert all(a["nll"] > b["nll"] for a, b in pairwise(rows))


def test_neighbouring_bounds_differ_by_less_than_their_own_errors_suggest():
    rows = NLL(samples=1000)(linear(wide=1.2)).arrays["nll_bounds"]
    assert rows[0]["difference_se"] is None
    assert rows[-1]["difference_se"] < 0.05 * rows[-1]["se"]


def test_small_chunks_give_the_same_within_error(monkeypatch):
    fake = linear(wide=1.3, off=0.2)
    whole = NLL(samples=1000)(fake).values["nll"]
    monkeypatch.setattr(nll, "CPU_VALUES", 16 * 300)  # 300 samples of one image at a time
    cut = NLL(samples=1000)(fake).values["nll"]
    assert whole != cut
    assert whole == pytest.approx(cut, abs=0.02)


def test_a_model_with_many_latents_gets_fewer_samples_at_a_time(monkeypatch):
    monkeypatch.setattr(nll, "CPU_VALUES", 16 * 100)
    fake, seen = linear(n=2), []
    infer = fake.model.infer
    fake.model.infer = lambda x, y, k, *more, **named: seen.append(k * len(x)) or infer(x, y, k, *more, **named)
    NLL(samples=100)(fake)
    fake.model.latent_shapes = ((30,), (2, 5, 5))  # 80 latents, five times as many as pixels
    NLL(samples=100)(fake)
    assert seen == [100, 100, *[20] * 10]


@pytest.mark.parametrize("values", [16 * 7, 16 * 300, 16 * 2000])
def test_every_image_gets_every_sample_once(monkeypatch, values):
    monkeypatch.setattr(nll, "CPU_VALUES", values)
    fake, seen = linear(n=5), []
    infer = fake.model.infer
    fake.model.infer = lambda x, y, k, noise, densities: (
        seen.append((x.flatten(1)[:, 0], k)) or infer(x, y, k, noise, densities)
    )
    NLL(samples=100)(fake)
    counts = torch.zeros(5)
    for first_pixels, k in seen:
        assert len(first_pixels) * k * 16 <= values
        counts[(first_pixels * 255).round().long()] += k
    assert counts.tolist() == [100] * 5


def test_two_evaluations_are_equal():
    assert NLL(samples=200)(linear(1.2)).values == NLL(samples=200)(linear(1.2)).values


def test_groups_are_disjoint_and_of_k():
    log_w = torch.tensor([0.0, 1.0, 2.0, 5.0, 9.0], dtype=torch.float64).unsqueeze(1)
    two = (math.log((1 + math.e) / 2) + math.log((math.e**2 + math.e**5) / 2)) / 2
    assert grouped_bound(log_w, 2).item() == pytest.approx(-two)
    assert grouped_bound(log_w, 1).item() == pytest.approx(-17 / 5)


def test_effective_samples_lie_between_one_and_all():
    log_w = torch.tensor([[0.0, 0.0], [0.0, 900.0], [0.0, -900.0]], dtype=torch.float64)
    torch.testing.assert_close(effective_samples(log_w), torch.tensor([3.0, 1.0], dtype=torch.float64))


def test_the_interval_is_that_of_the_mean_over_images():
    rows = bound_rows(torch.tensor([[1.0, 3.0, 5.0, 7.0]]), [1])
    assert rows[0]["nll"] == 4
    assert rows[0]["se"] == pytest.approx(math.sqrt(20 / 3 / 4))
    found = NLL(samples=20)(linear(1.2))
    low, high = found.intervals["nll"]
    assert high - low == pytest.approx(2 * 1.96 * found.values["nll_se"])


def test_a_rise_of_the_bound_is_noted():
    rows = [{"k": k, "nll": v, "difference_se": 0.01} for k, v in ((1, 5.0), (10, 4.0), (100, 4.2))]
    (note,) = nll._notes(rows, 0.0, 100)
    assert "from K=10 to K=100 by 0.2 nats, 20.0 standard errors" in note


def test_a_rise_without_a_standard_error_is_not_noted():
    """With ``images=1`` the standard error is 0, and the rise cannot be given as a multiple of it."""
    rows = [{"k": k, "nll": v, "difference_se": 0.0} for k, v in ((1, 4.0), (10, 5.0))]
    assert nll._notes(rows, 0.0, 10) == []


def test_few_effective_samples_are_noted():
    found = NLL(samples=100)(linear(wide=0.2, off=1.5))
    assert found.values["nll_low_ess"] > 0.1
    assert "loose" in found.notes[-1]


def test_binary_images_have_bits_per_dimension():
    images = labelled(12)
    binary = Examples((images.stored > 127).to(torch.uint8) * 255, images.targets, images.classes)
    found = NLL(samples=10)(trained(Bernoulli(), binary)).values
    assert found["nll_bits_per_dim"] == pytest.approx(found["nll"] / 64 / math.log(2))
    assert "nll_bits_per_dim" not in NLL(samples=10)(trained(MSE(), binary)).values


def test_a_posterior_without_a_normal_is_scored_too():
    flow, normal = trained(posterior=FlowPosterior), trained()
    assert NLL(samples=20)(flow).values == pytest.approx(NLL(samples=20)(normal).values, rel=1e-5)


def test_every_number_has_a_meaning():
    found = NLL(samples=10)(trained())
    assert set(found.meanings) == set(found.values)


def test_one_image_has_a_value_and_no_error():
    found = NLL(samples=10, images=1)(trained())
    assert found.intervals == {}
    assert "nll_se" not in found.values
