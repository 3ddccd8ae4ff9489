import math

import pytest
import torch
from helpers import GivenNoise, random_batch, small_model
from importance import ENCODER, draws, given, gradients, in_double
from torch.distributions import Normal

from vae_lab.likelihoods import Bernoulli, Gaussian, Sigma
from vae_lab.objectives.iwae import IWAE
from vae_lab.types import Batch


def weighted(model, batch, eps, weights_of) -> dict[str, torch.Tensor]:
    """−Σ weight · log w, with weights [k, B] that are numbers: a reference that writes the gradient out."""
    model.zero_grad()
    latents = model.infer(batch.x, None, len(eps), GivenNoise(eps), densities=True)
    log_w = model.likelihood.log_prob(model.decode(latents.z, None), batch.target) + latents.log_p - latents.log_q
    w = torch.tensor([[math.exp(x - max(row)) for x in row] for row in log_w.T.tolist()], dtype=log_w.dtype).T
    weights = weights_of(w)
    (-(weights * log_w).sum(0)).mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def test_plain_gradients_weigh_samples_by_their_normalised_weights():
    model, batch = in_double(small_model(), random_batch())
    eps = draws(7).double()
    expected = weighted(model, batch, eps, lambda w: w / w.sum(0))
    for name, found in gradients(IWAE(7), model, batch, given(eps)).items():
        torch.testing.assert_close(found, expected[name])


def test_gradients_of_groups_weigh_samples_within_their_group():
    model, batch = in_double(small_model(), random_batch())
    eps = draws(6).double()

    def weights_of(w):
        return torch.cat([part / part.sum(0) for part in w.split(2)]) / 3

    expected = weighted(model, batch, eps, weights_of)
    for name, found in gradients(IWAE(6, groups=3), model, batch, given(eps)).items():
        torch.testing.assert_close(found, expected[name])


@pytest.mark.parametrize("likelihood", [Bernoulli, Sigma])
@pytest.mark.parametrize(("groups", "elbo_share"), [(1, 0.0), (3, 0.0), (1, 0.4)])
def test_dreg_leaves_the_decoder_its_plain_gradient(likelihood, groups, elbo_share):
    model, batch = in_double(small_model(likelihood()), random_batch())
    eps = draws(6).double()
    plain, dreg = (
        gradients(IWAE(6, g, groups, elbo_share=elbo_share), model, batch, given(eps)) for g in ("plain", "dreg")
    )
    decoder = [name for name in plain if name.startswith("decoder.")]
    assert decoder
    assert all(torch.equal(plain[name], dreg[name]) for name in decoder)
    assert all(not torch.allclose(plain[name], dreg[name]) for name in plain if name.startswith(ENCODER))


@pytest.mark.parametrize(("groups", "elbo_share"), [(1, 0.0), (2, 0.0), (1, 0.5)])
def test_dreg_gives_the_encoder_the_same_mean_gradient_with_less_variance(groups, elbo_share):
    """One image 4,000 times in a batch: each gives an estimate of the same gradient to its μ and log σ²."""
    n, eps, found = 4000, draws(8, 4000).double(), {}
    one = random_batch(1).x.double().expand(n, -1, -1, -1)
    for gradient in ("plain", "dreg"):
        model, heads = small_model(Gaussian(0.3)).double(), []
        normal = model.posterior.normal
        model.posterior.normal = lambda h, normal=normal, heads=heads: heads.append(normal(h)) or heads[0]
        terms = IWAE(8, gradient, groups, elbo_share=elbo_share)(model, Batch(one, one, None), given(eps))
        slopes = torch.autograd.grad(terms.loss * n, (heads[0].mu, heads[0].log_var))
        found[gradient] = torch.cat(slopes, 1)
    plain, dreg = found["plain"], found["dreg"]
    error = (plain - dreg).std(0) / math.sqrt(n)
    assert ((plain - dreg).mean(0).abs() < 4 * error).all()
    assert (dreg.var(0) < plain.var(0)).all()
    assert dreg.mean(0).norm() > 5 * (dreg.std(0) / math.sqrt(n)).norm()  # or equal means would mean little


def test_the_doubly_reparameterised_gradient_weighs_by_the_squares_of_the_weights():
    model, batch = in_double(small_model(), random_batch(2))
    eps = draws(5, 2).double()
    found = gradients(IWAE(5, "dreg"), model, batch, given(eps))
    model.zero_grad()
    h = model.encoder(batch.x)
    mu, log_var = model.posterior.mu(h), model.posterior.log_var(h)
    z = mu + torch.exp(0.5 * log_var) * eps
    leaf = z.detach().requires_grad_()
    q = Normal(mu.detach(), torch.exp(0.5 * log_var).detach())
    log_w = model.likelihood.log_prob(model.decode((leaf,), None), batch.target) + Normal(0.0, 1.0).log_prob(leaf).sum(
        2
    )
    log_w = log_w - q.log_prob(leaf).sum(2)
    (slope,) = torch.autograd.grad(log_w.sum(), leaf)
    v = torch.softmax(log_w, 0).detach()
    model.zero_grad()
    (-(v.square().unsqueeze(2) * slope * z).sum(0).sum() / 2).backward()
    for name, p in model.named_parameters():
        if name.startswith(ENCODER):
            torch.testing.assert_close(found[name], p.grad)


def test_with_one_sample_dreg_leaves_out_the_score_of_q():
    """At q equal to the posterior log w is constant: the gradient of the encoder vanishes draw by draw."""
    model, batch = small_model(Gaussian(1.0)).double(), random_batch(2)
    batch = Batch(batch.x.double(), batch.target.double(), None)
    for p in [*model.decoder.parameters(), *model.encoder.parameters(), *model.posterior.parameters()]:
        torch.nn.init.zeros_(p)  # the decoder ignores z, and q(z|x) is the prior
    eps = draws(1, 2).double()
    plain, dreg = (gradients(IWAE(1, gradient), model, batch, given(eps)) for gradient in ("plain", "dreg"))
    for name in ("posterior.mu.bias", "posterior.log_var.bias"):
        assert dreg[name].abs().max() < 1e-12
        assert plain[name].abs().min() > 0.01
