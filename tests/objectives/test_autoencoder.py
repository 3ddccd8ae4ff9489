import pytest
import torch
from helpers import FlowPosterior, random_batch, small_model, step

from vae_lab.errors import UserError
from vae_lab.likelihoods import MSE, Bernoulli, Sigma
from vae_lab.objectives.autoencoder import Autoencoder


@pytest.mark.parametrize("likelihood", [MSE, Bernoulli])
def test_the_loss_is_recon_at_the_posterior_mean(likelihood):
    model, batch = small_model(likelihood()), random_batch()
    mu = model.posterior.mu(model.encoder(batch.x)).unsqueeze(0)
    recon = -model.likelihood.log_prob(model.decode((mu,), None), batch.target) - model.likelihood.recon_offset(64)
    terms = Autoencoder()(model, batch, step())
    torch.testing.assert_close(terms.loss, recon.mean())
    assert terms.logs == {"recon": terms.loss.detach()}


def test_noise_does_not_matter():
    model, batch = small_model(), random_batch()
    assert Autoencoder()(model, batch, step(1)).loss == Autoencoder()(model, batch, step(2)).loss


def test_the_variance_of_the_posterior_does_not_matter():
    model, batch = small_model(), random_batch()
    before = Autoencoder()(model, batch, step()).loss
    torch.nn.init.constant_(model.posterior.log_var.bias, 5.0)
    assert Autoencoder()(model, batch, step()).loss == before


def test_everything_but_the_variance_is_trained():
    model = small_model()
    Autoencoder()(model, random_batch(), step()).loss.backward()
    untrained = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert untrained == {"posterior.log_var.weight", "posterior.log_var.bias"}


def test_sigma_observes_at_the_mean():
    model, batch = small_model(Sigma()), random_batch()
    Autoencoder()(model, batch, step())
    mu = model.posterior.mu(model.encoder(batch.x)).unsqueeze(0)
    error = (model.likelihood.mean(model.decode((mu,), None))[0] - batch.x).square().mean()
    torch.testing.assert_close(model.likelihood.mse, error.detach())


def test_a_posterior_without_a_mean_is_refused():
    with pytest.raises(UserError, match="needs a posterior with a mean; type posterior=diagonal or objective=elbo"):
        Autoencoder()(small_model(posterior=FlowPosterior), random_batch(), step())
