import math

import pytest
import torch
from helpers import FlowPosterior, GivenNoise, gen, random_batch, small_model
from torch.distributions import Normal

from vae_lab.functional import kl_normal
from vae_lab.likelihoods import MSE
from vae_lab.nets.cnn import CNN
from vae_lab.nets.dense import Dense
from vae_lab.noise import SeededNoise
from vae_lab.posteriors import DiagonalNormal

NETS = [Dense(16, 1), CNN(4, 2, 16)]


def infer(model, k=2, n=5, key=0, densities=False):
    return model.infer(random_batch(n, model.x_shape).x, None, k, SeededNoise("cpu", key), densities)


def test_inference_gives_k_samples_per_image():
    latents = infer(small_model(latent_dim=3), k=7, n=5)
    assert latents.z[0].shape == (7, 5, 3)
    assert latents.kl[0].shape == (1, 5, 3)
    assert latents.q[0].mu.shape == latents.q[0].log_var.shape == (1, 5, 3)


def test_kl_is_the_closed_form_of_the_posterior():
    latents = infer(small_model())
    torch.testing.assert_close(latents.kl[0], kl_normal(latents.q[0].mu, latents.q[0].log_var))


def test_densities_are_those_of_torch_distributions_and_only_on_demand():
    model = small_model()
    latents = infer(model, densities=True)
    q = Normal(latents.q[0].mu, torch.exp(0.5 * latents.q[0].log_var))
    torch.testing.assert_close(latents.log_q, q.log_prob(latents.z[0]).sum(-1))
    torch.testing.assert_close(latents.log_p, Normal(0.0, 1.0).log_prob(latents.z[0]).sum(-1))
    assert infer(model).log_q is None


def test_sampled_kl_comes_to_the_closed_form():
    latents = infer(small_model(), k=20_000, densities=True)
    sampled = (latents.log_q - latents.log_p).mean(0)
    torch.testing.assert_close(sampled, latents.kl[0].sum(-1)[0], atol=0.03, rtol=0)


def test_a_posterior_without_a_density_gets_its_kl_from_its_samples():
    latents = infer(small_model(posterior=FlowPosterior))
    assert latents.q == (None,)
    torch.testing.assert_close(latents.kl[0], (latents.log_q - latents.log_p).unsqueeze(-1))


def test_a_posterior_without_a_density_is_refused():
    class Silent(DiagonalNormal):
        def forward(self, h, k, noise):
            return super().forward(h, k, noise)[0], None, None

    with pytest.raises(TypeError, match="must return log_q"):
        infer(small_model(posterior=Silent))


def test_log_prior_integrates_to_1():
    model = small_model(latent_dim=2)
    axis = torch.linspace(-8, 8, 400)
    grid = torch.cartesian_prod(axis, axis).unsqueeze(0)
    total = model.log_prior((grid,), None).exp().sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-3)


def test_prior_samples_are_standard_normal():
    (z,) = small_model(latent_dim=4).prior_sample(50_000, None, SeededNoise("cpu", 0))
    assert z.shape == (1, 50_000, 4)
    torch.testing.assert_close(torch.cov(z[0].T), torch.eye(4), atol=0.03, rtol=0)
    assert z.mean().abs() < 0.01


@pytest.mark.parametrize("net", NETS, ids=["dense", "cnn"])
def test_decoding_keeps_samples_and_images_in_place(net):
    model = small_model(net=net)
    z = torch.randn(3, 5, 3, generator=gen())
    params = model.decode((z,), None)
    assert params.shape == (3, 5, 1, 8, 8)
    torch.testing.assert_close(params[2, 4], model.decoder(z[2, 4].unsqueeze(0))[0])


@pytest.mark.parametrize("net", NETS, ids=["dense", "cnn"])
def test_images_of_a_batch_do_not_touch_each_other(net):
    model = small_model(net=net)
    x = random_batch(4).x
    eps = torch.randn(2, 4, 3, generator=gen())
    together = model.infer(x, None, 2, GivenNoise(eps))
    alone = model.infer(x[1:2], None, 2, GivenNoise(eps[:, 1:2]))
    torch.testing.assert_close(together.z[0][:, 1:2], alone.z[0])
    torch.testing.assert_close(model.decode(together.z, None)[:, 1:2], model.decode(alone.z, None))


@pytest.mark.parametrize("net", NETS, ids=["dense", "cnn"])
def test_all_randomness_comes_from_the_noise_that_is_passed(net):
    model = small_model(net=net).train()
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        results.append(model.decode(infer(model, key=3).z, None))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*results)
    assert not torch.equal(results[0], model.decode(infer(model, key=4).z, None))


def test_a_likelihood_with_two_numbers_per_value_gets_twice_the_channels():
    class TwoNumbers(MSE):
        def params_shape(self, x_shape):
            return (2 * x_shape[0], *x_shape[1:])

    model = small_model(TwoNumbers(), x_shape=(3, 8, 8))
    assert model.decode((torch.zeros(1, 2, 3),), None).shape == (1, 2, 6, 8, 8)


def test_the_number_of_parameters_is_that_of_the_report():
    model = small_model(x_shape=(1, 28, 28), latent_dim=20, net=Dense(400, 1))
    layers = [(784, 400), (400, 20), (400, 20), (20, 400), (400, 784)]
    assert sum(p.numel() for p in model.parameters()) == sum(math.prod(s) + s[1] for s in layers)
