import math

import pytest
import torch
from helpers import gen

from vae_lab.functional import log_mean_exp, log_normal
from vae_lab.noise import SeededNoise
from vae_lab.samplers.two_stage import SecondVAE, TwoStage
from vae_lab.types import Normal


def silent(steps, _):
    return steps


def vae(dims: int = 2, seed: int = 0) -> SecondVAE:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SecondVAE(dims, 16, 2)


def linear(f: float, gamma: float) -> SecondVAE:
    """The model x = f u + γ ε in one dimension, with an encoder that gives the exact posterior q(u|x)."""
    made = vae(1)
    precision = 1 + f**2 / gamma**2
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        made.decoder.last.weight[0, -1] = f  # the decoder's last layer also receives its input u
        made.encoder.last.weight[0, -1] = f / gamma**2 / precision
        made.encoder.last.bias[1] = -math.log(precision)
        made.log_gamma.fill_(math.log(gamma))
    return made


@pytest.mark.parametrize(("f", "gamma"), [(1.0, 0.5), (-2.0, 1.5), (0.0, 1.0)])
def test_with_the_true_posterior_the_elbo_is_the_log_likelihood(f, gamma):
    x = torch.randn(7, 1, generator=gen()) * 2
    known = log_normal(x, 0.0, math.log(f**2 + gamma**2)).sum(-1)
    elbo = torch.stack([linear(f, gamma).elbo(x, SeededNoise("cpu", i)) for i in range(4000)]).mean(0)
    torch.testing.assert_close(elbo, known, atol=0.06, rtol=0)


def test_the_elbo_lies_below_log_p():
    made, x = vae(), torch.randn(4, 2, generator=gen())
    with torch.no_grad():
        u = torch.randn(200_000, 1, 2, generator=gen(1))
        log_px = log_normal(x, made.decoder(u), 2 * made.log_gamma).sum(-1)
        elbo = torch.stack([made.elbo(x, SeededNoise("cpu", i)) for i in range(300)]).mean(0)
        assert (elbo < log_mean_exp(log_px)).all()


def test_the_elbo_is_its_two_terms():
    made, x = vae(), torch.randn(4, 2, generator=gen())
    log_px, kl = made.terms(x, SeededNoise("cpu", 0))
    assert torch.equal(made.elbo(x, SeededNoise("cpu", 0)), log_px - kl)
    assert (kl >= 0).all()


@pytest.fixture(scope="module")
def ring() -> torch.Tensor:
    angle = 2 * math.pi * torch.rand(4000, generator=gen())
    return torch.stack([angle.cos(), 10 * angle.sin() + 3], 1) + 0.05 * torch.randn(4000, 2, generator=gen(1))


@pytest.fixture(scope="module")
def fitted(ring) -> TwoStage:
    sampler = TwoStage(width=64, epochs=40, batch_size=100, lr=2e-3, patience=40)
    sampler.fit(ring, SeededNoise("cpu", 0), silent)
    return sampler


def test_samples_lie_on_the_ring_and_all_around_it(fitted):
    x, y = fitted.sample(4000, SeededNoise("cpu", 5)).unbind(1)
    y = (y - 3) / 10
    assert ((x.square() + y.square()).sqrt() - 1).abs().mean() < 0.15
    quarters = torch.stack([(x > 0) & (y > 0), (x > 0) & (y < 0), (x < 0) & (y > 0), (x < 0) & (y < 0)])
    assert quarters.float().mean(1).min() > 0.15


def test_gamma_is_learnt_and_samples_have_its_noise(fitted):
    assert 0.01 < fitted.about["gamma"] < 0.3
    assert fitted.about["gamma"] == pytest.approx(fitted.vae.log_gamma.exp().item())
    u = SeededNoise("cpu", 5).normal(4000, 2)
    means = fitted.restore(fitted.vae.decoder(u))
    apart = (fitted.sample(4000, SeededNoise("cpu", 5)) - means) / fitted.scale
    assert apart.std().item() == pytest.approx(fitted.about["gamma"], rel=0.05)


def test_fresh_codes_are_drawn_anew_in_every_step(monkeypatch):
    """With q(z|x) = N(μ, σ²) the codes of two epochs differ by √2 σ; the held-out codes are the given ones."""
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(SecondVAE, "elbo", lambda self, x, noise: (seen.append(x), -self.log_gamma.expand(len(x)))[1])
    mu = 100 * torch.arange(400.0).unsqueeze(1).repeat(1, 2)
    q = Normal(mu, torch.full_like(mu, math.log(0.25)))
    sampler = TwoStage(width=4, epochs=2, batch_size=1000, held_out=0.25, fresh_codes=True)
    sampler.fit(mu + 0.5 * torch.randn(400, 2, generator=gen(1)), SeededNoise("cpu", 0), silent, q)
    first, held, second, held_again = (sampler.restore(x) for x in seen)
    assert torch.equal(held, held_again)
    assert len(first) == len(second) == 300
    (once, again), places = (x.sort(0).values for x in (first, second)), (first / 100).round().sort(0).values
    assert (once - 100 * places).std().item() == pytest.approx(0.5, rel=0.1)
    assert (once - again).std().item() == pytest.approx(0.5 * math.sqrt(2), rel=0.1)
