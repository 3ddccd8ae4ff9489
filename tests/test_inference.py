from functools import partial

import pytest
import torch
from helpers import FlowPosterior, random_batch, small_model

from vae_lab.inference import DRAWS, posterior_moments
from vae_lab.noise import SeededNoise
from vae_lab.posteriors.iaf import IAF


def noise(purpose):
    return SeededNoise("cpu", 0, purpose)


def moments(model, n=5):
    with torch.inference_mode():
        (q,), latents = posterior_moments(model, random_batch(n).x, None, noise)
    return q, latents


def test_the_moments_of_a_gaussian_posterior_are_its_parameters():
    model = small_model()
    q, latents = moments(model)
    assert torch.equal(q.mu, latents.q[0].mu[0])
    with torch.inference_mode():
        assert torch.equal(q.mu, model.posterior.normal(model.encoder(random_batch().x)).mu)


def test_the_mean_of_a_flow_that_is_gaussian_is_exact():
    q, _ = moments(small_model(posterior=FlowPosterior))
    expected, _ = moments(small_model())
    torch.testing.assert_close(q.mu, expected.mu)
    ratio = (q.log_var - expected.log_var).exp()
    torch.testing.assert_close(ratio, torch.ones_like(ratio), atol=4 * (2 / DRAWS) ** 0.5, rtol=0)


def test_a_flow_that_ignores_the_image_has_one_mean_whatever_the_batch_is():
    """Otherwise the variation of the means due to few draws would make unused units look active."""
    model = small_model(posterior=partial(IAF, blocks=2, width=8))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(len(name)))
        model.encoder.layers[-2].weight.zero_()
    q, latents = moments(model, 7)
    other, _ = moments(model, 3)
    assert latents.z[0][0].var(0).min() > 0
    assert q.mu.var(0).max() < 1e-10
    torch.testing.assert_close(q.mu[:3], other.mu)


def test_the_mean_of_a_bent_flow_is_that_of_many_draws():
    model = small_model(posterior=partial(IAF, blocks=2, width=8))
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.posterior.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draws))
    q, _ = moments(model)
    with torch.inference_mode():
        z = model.infer(random_batch().x, None, 20_000, SeededNoise("cpu", 1)).z[0]
    off = (q.mu - z.mean(0)) / z.std(0)
    assert off.abs().max().item() == pytest.approx(0, abs=4 / DRAWS**0.5)
