"""Tests of properties that every prior has, with few components."""

from functools import partial

import pytest
import torch
from helpers import ForbiddenNoise, gen, random_batch, small_model, step
from torch.distributions import Normal as TorchNormal

from vae_lab.errors import UserError
from vae_lab.likelihoods import MSE
from vae_lab.models.single_level import SingleLevel
from vae_lab.nets.dense import Dense
from vae_lab.noise import SeededNoise
from vae_lab.objectives.autoencoder import Autoencoder
from vae_lab.objectives.elbo import ELBO
from vae_lab.posteriors import DiagonalNormal
from vae_lab.posteriors.iaf import IAF
from vae_lab.priors.mixture import MixturePrior
from vae_lab.priors.standard import StandardNormal
from vae_lab.priors.vamp import VampPrior
from vae_lab.schedules import Constant
from vae_lab.types import Normal

SHAPE = (1, 8, 8)
PRIORS = {
    "standard": StandardNormal,
    "mixture": partial(MixturePrior, components=6, spread=1),
    "vamp": partial(VampPrior, components=7, mean=0.3, std=0.3),
}
each = pytest.mark.parametrize("name", PRIORS)
learned = pytest.mark.parametrize("name", ["mixture", "vamp"])


def model_with(prior, posterior=DiagonalNormal, latent_dim=2) -> SingleLevel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SingleLevel(Dense(16, 1), posterior, MSE(), SHAPE, latent_dim, prior=prior)


def encoded_by(mu, log_var):
    """An encoder that gives every image the same posterior."""
    return lambda u: Normal(torch.full((len(u), 2), float(mu)), torch.full((len(u), 2), float(log_var)))


def no_encoder(u):
    raise AssertionError("images were encoded")


@each
def test_log_prior_integrates_to_1(name):
    model = model_with(PRIORS[name])
    axis = torch.linspace(-9, 9, 500)
    grid = torch.cartesian_prod(axis, axis).unsqueeze(0)
    total = model.log_prior((grid,), None).exp().sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-3)


@each
def test_draws_follow_the_density(name):
    """For the first two moments f, the mean of f over draws equals ∫ f p dz over a grid."""
    model = model_with(PRIORS[name])
    axis = torch.linspace(-9, 9, 500)
    grid = torch.cartesian_prod(axis, axis)
    p = model.log_prior((grid.unsqueeze(0),), None)[0].exp() * (axis[1] - axis[0]) ** 2
    (z,) = model.prior_sample(100_000, None, SeededNoise("cpu", 0))
    assert z.shape == (1, 100_000, 2)
    for power in (1, 2):
        torch.testing.assert_close(z[0].pow(power).mean(0), p @ grid.pow(power), atol=0.03, rtol=0)


@each
def test_densities_keep_samples_and_images_in_place(name):
    model = model_with(PRIORS[name])
    z = torch.randn(3, 5, 2, generator=gen())
    log_p = model.log_prior((z,), None)
    assert log_p.shape == (3, 5)
    assert log_p.dtype == torch.float32
    torch.testing.assert_close(log_p[2, 4], model.log_prior((z[2:, 4:],), None)[0, 0])


def test_one_component_at_the_standard_normal_equals_the_plain_prior():
    z = 3 * torch.randn(4, 5, 2, generator=gen())
    plain = StandardNormal(2, SHAPE).log_prob(z, no_encoder)
    torch.testing.assert_close(MixturePrior(2, SHAPE, 1, 1.0).log_prob(z, no_encoder), plain)
    torch.testing.assert_close(VampPrior(2, SHAPE, 1, 0.05, 0.01).log_prob(z, encoded_by(0, 0)), plain)


def test_many_components_that_coincide_equal_the_plain_prior_too():
    z = 3 * torch.randn(4, 5, 2, generator=gen())
    plain = StandardNormal(2, SHAPE).log_prob(z, no_encoder)
    torch.testing.assert_close(MixturePrior(2, SHAPE, 9, 0.0).log_prob(z, no_encoder), plain)
    torch.testing.assert_close(VampPrior(2, SHAPE, 9, 0.05, 0.01).log_prob(z, encoded_by(0, 0)), plain)


def test_a_model_with_one_component_at_the_standard_normal_has_its_elbo():
    """Many samples are needed, because the KL to a mixture is sampled, while that to N(0, I) has a closed form."""
    objective, batch = ELBO(1, 1, 5000, "B", Constant()), random_batch()
    plain, one = (model_with(prior).eval() for prior in (StandardNormal, partial(MixturePrior, components=1, spread=1)))
    one.load_state_dict(plain.state_dict(), strict=False)
    found, expected = (objective(model, batch, step()).logs for model in (one, plain))
    assert found["kl"].item() == pytest.approx(expected["kl"].item(), abs=0.02)
    assert found["recon"].item() == pytest.approx(expected["recon"].item(), rel=1e-5)


def test_the_vamp_prior_is_the_mean_of_the_posteriors_of_its_images():
    model = model_with(PRIORS["vamp"])
    z = torch.randn(1, 5, 2, generator=gen())
    q = model.posterior.normal(model.encoder(model.prior.u.clamp(0, 1)))
    each_q = TorchNormal(q.mu, torch.exp(0.5 * q.log_var)).log_prob(z[0].unsqueeze(1)).sum(-1)
    torch.testing.assert_close(model.log_prior((z,), None)[0], each_q.exp().mean(1).log())


def test_pseudo_inputs_start_at_the_given_values():
    torch.manual_seed(0)
    u = VampPrior(2, (1, 28, 28), 50, 0.05, 0.01).u
    assert u.shape == (50, 1, 28, 28)
    assert u.mean().item() == pytest.approx(0.05, abs=1e-3)
    assert u.std().item() == pytest.approx(0.01, abs=1e-3)


@learned
def test_the_prior_learns_with_the_model(name):
    model = model_with(PRIORS[name])
    ELBO(1, 1, 1, "B", Constant())(model, random_batch(), step()).loss.backward()
    still = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@learned
@pytest.mark.parametrize("estimator", ["A", "B"])
def test_both_estimators_are_the_sampled_kl(name, estimator):
    model, batch = model_with(PRIORS[name]).eval(), random_batch()
    latents = model.infer(batch.x, None, 3, step().noise, densities=True)
    found = ELBO(1, 1, 3, estimator, Constant())(model, batch, step())
    torch.testing.assert_close(found.logs["kl"], (latents.log_q - latents.log_p).mean())
    assert latents.kl[0].shape == (3, 5, 1)


@each
def test_a_flow_posterior_goes_with_a_prior_that_has_a_density(name):
    model = model_with(PRIORS[name], partial(IAF, blocks=2, width=8))
    objective = ELBO(1, 1, 1, "B", Constant())
    if name == "vamp":
        with pytest.raises(UserError, match="prior=vamp mixes Gaussian posteriors; type posterior=diagonal"):
            objective(model, random_batch(), step())
    else:
        assert torch.isfinite(objective(model, random_batch(), step()).loss)


@learned
def test_an_autoencoder_has_nothing_to_teach_a_prior(name):
    with pytest.raises(UserError, match="type prior=standard"):
        Autoencoder()(model_with(PRIORS[name]), random_batch(), step())


@each
def test_priors_can_be_stacked(name):
    models = []
    for seed in range(3):
        torch.manual_seed(seed)
        models.append(SingleLevel(Dense(16, 1), DiagonalNormal, MSE(), SHAPE, 2, prior=PRIORS[name]))
    weights, buffers = torch.func.stack_module_state(models)
    z = torch.randn(2, 5, 2, generator=gen())

    class Prior(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = models[0]

        def forward(self, z):
            return self.model.log_prior((z,), None), self.model.prior_sample(4, None, SeededNoise("cpu", 0))[0]

    def call(weights, buffers):
        state = {f"model.{key}": value for key, value in {**weights, **buffers}.items()}
        return torch.func.functional_call(Prior(), state, (z,))

    together = torch.vmap(call, randomness="same")(weights, buffers)
    for i, model in enumerate(models):
        torch.testing.assert_close(together[0][i], model.log_prior((z,), None))
        drawn = model.prior_sample(4, None, SeededNoise("cpu", 0))[0]
        torch.testing.assert_close(together[1][i].expand_as(drawn), drawn)


def test_the_plain_prior_needs_neither_encoder_nor_noise_for_its_density():
    model = small_model()
    model.encoder.forward = no_encoder
    assert model.log_prior((torch.zeros(1, 2, 3),), None).shape == (1, 2)
    StandardNormal(2, SHAPE).sample(3, SeededNoise("cpu", 0), no_encoder)
    with pytest.raises(AssertionError, match="noise was drawn"):
        StandardNormal(2, SHAPE).sample(3, ForbiddenNoise(), no_encoder)
