import math

import pytest
import torch
from helpers import random_batch, small_model
from introspective import Formulas, Recorded, at, isolate
from torch.testing import assert_close

from vae_lab.likelihoods import Sigma
from vae_lab.objectives.elbo import ELBO
from vae_lab.objectives.soft_intro_vae import SoftIntroVAE
from vae_lab.schedules import Constant
from vae_lab.training.job import Job


def soft(k1=1.0, k2=1.0, beta_neg=4.0, gamma=0.5, vae_epochs=0.0) -> SoftIntroVAE:
    return SoftIntroVAE(k1, k2, beta_neg, gamma, vae_epochs)


def loss_of_algorithm(model, x, draws, phase, k1, k2, beta_neg, gamma):
    """Algorithm 1 with the scale s = 1/(C·H·W) of the authors' code, times C·H·W.

    The target of recon(x̂) is detached in both phases; the code does not detach it in the encoder's phase.
    """
    s, at = 1 / x[0].numel(), Formulas(model, x, draws)
    real, total = s * (k1 * at.recon.mean() + k2 * at.kl.mean()), 0.0
    for image, eps in zip((at.reconstruction, at.drawn), at.eps):
        if phase == "model":
            image = image.detach()
            q = at.q(image)
            again = at.sse(image, at.decode(q.mean + q.stddev * eps))
            total = total + 0.25 * torch.exp(-2 * s * (k1 * again + beta_neg * at.kl_of(q))).mean()
        else:
            q = at.q(image)
            again = at.sse(image.detach(), at.decode((q.mean + q.stddev * eps).detach()))
            total = total + 0.5 * s * (k2 * at.kl_of(q) + gamma * k1 * again).mean()
    return (real + total) / s


@pytest.mark.parametrize("phase", SoftIntroVAE.phases)
@pytest.mark.parametrize(("k1", "k2", "beta_neg", "gamma"), [(1, 1, 4, 0.5), (0.5, 2, 16, 3), (1, 1, 0, 0)])
def test_the_losses_and_gradients_are_those_of_the_paper(phase, k1, k2, beta_neg, gamma):
    batch, noise, job = random_batch(), Recorded(), Job(small_model(), soft(k1, k2, beta_neg, gamma))
    loss = job(batch, at(phase, noise)).loss
    right = loss_of_algorithm(job.model, batch.x, noise.draws, phase, k1, k2, beta_neg, gamma)
    assert_close(loss, right)
    own = list(job.parameters_of(phase))
    for ours, theirs in zip(*(torch.autograd.grad(value, own) for value in (loss, right))):
        assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


class Pixel(torch.nn.Module):
    """Images of two pixels, a code of one number: q(z|x) = N(x₀, 1) and p(x|z) with the mean (½, ½), whatever z."""

    def __init__(self):
        super().__init__()
        self.model = small_model(x_shape=(1, 1, 2), latent_dim=1)
        self.model.encoder = torch.nn.Flatten()
        self.model.posterior.mu, self.model.posterior.log_var = (torch.nn.Linear(2, 1) for _ in range(2))
        self.model.decoder = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.Unflatten(1, (1, 1, 2)))
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.zero_()
            self.model.posterior.mu.weight[0, 0] = 1.0


def test_the_values_of_a_model_that_can_be_computed_by_hand():
    """x = (1, 0): SSE = ½ and KL = ½. A decoded image is (½, ½): SSE = 0 and KL = ⅛. D = 2, so that α = 1."""
    job, batch = Job(Pixel().model, soft(k1=3, k2=2, beta_neg=4, gamma=7)), random_batch(4, (1, 1, 2))
    batch.x[:] = torch.tensor([1.0, 0.0])
    of_encoder, of_decoder = (job(batch, at(phase)) for phase in ("model", "decoder"))
    assert of_encoder.logs["recon"].item() == pytest.approx(0.5)
    assert of_encoder.logs["kl"].item() == pytest.approx(0.5)
    assert of_encoder.logs["kl_samples"].item() == of_encoder.logs["kl_reconstructions"].item() == pytest.approx(0.125)
    assert of_encoder.logs["loss"].item() == pytest.approx(2.5)
    assert of_encoder.logs["repulsion"].item() == pytest.approx(math.exp(-0.5))
    assert of_encoder.loss.item() == pytest.approx(2.5 + math.exp(-0.5))
    assert of_decoder.loss.item() == pytest.approx(2.5 + 2 * 0.125)


def test_each_phase_updates_its_own_networks_and_the_decoder_learns_through_the_encoder():
    batch, job = random_batch(), Job(small_model(), soft())
    for phase, others in (("model", "decoder"), ("decoder", "model")):
        job.zero_grad(set_to_none=True)
        isolate(job, phase)
        job(batch, at(phase)).loss.backward()
        assert all(p.grad is not None and p.grad.any() for p in job.parameters_of(phase))
        assert all(p.grad is None for p in job.parameters_of(others))
    plain = Job(small_model(), soft(gamma=0.0))
    isolate(plain, "decoder")
    without_kl = torch.autograd.grad(plain(batch, at("decoder", epoch=0.0)).loss, list(plain.parameters_of("decoder")))
    plain.objective.vae_epochs = torch.tensor(1.0)
    of_vae = torch.autograd.grad(plain(batch, at("decoder", epoch=0.0)).loss, list(plain.parameters_of("decoder")))
    assert not any(torch.allclose(a, b) for a, b in zip(without_kl, of_vae))


def test_the_reconstruction_of_decoded_images_trains_no_target_and_no_code():
    """With γ alone, the decoder's gradient is that of a fixed set of images and codes."""
    batch, noise, model = random_batch(), Recorded(), small_model()
    objective = soft(k1=1.0, k2=0.0, gamma=5.0)
    weights = list(model.decoder.parameters())
    ours = torch.autograd.grad(objective(model, batch, at("decoder", noise)).loss, weights)
    fixed = Formulas(model, batch.x, noise.draws)
    loss = fixed.recon.mean()
    with torch.no_grad():
        images = (fixed.reconstruction.clone(), fixed.drawn.clone())
        codes = [fixed.q(image).mean + fixed.q(image).stddev * eps for image, eps in zip(images, fixed.eps)]
    for image, z in zip(images, codes):
        loss = loss + 2.5 * fixed.sse(image, fixed.decode(z)).mean()
    for a, b in zip(ours, torch.autograd.grad(loss, weights)):
        assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("phase", SoftIntroVAE.phases)
def test_the_first_epochs_train_a_vae(phase):
    batch, model = random_batch(), small_model()
    objective, elbo = soft(0.5, 3.0, vae_epochs=10), ELBO(0.5, 3.0, 1, "B", Constant())
    assert_close(objective(model, batch, at(phase, epoch=9.9)).loss, elbo(model, batch, at(phase)).loss)
    assert objective(model, batch, at(phase, epoch=10.0)).loss > elbo(model, batch, at(phase)).loss


def test_the_repulsion_stays_above_0_for_images_of_many_pixels():
    """Without α = 2/D, exp(−sum over 784 pixels) would be 0."""
    terms = soft(beta_neg=256)(small_model(x_shape=(1, 28, 28)), random_batch(5, (1, 28, 28)), at("model"))
    assert terms.logs["repulsion"].item() > 1


@pytest.mark.parametrize("phase", SoftIntroVAE.phases)
def test_decoded_images_are_scored_with_the_sigma_of_real_ones(phase):
    """A σ of 0.1 that was learned before scores decoded images, whose own errors are nearly 0."""
    model, batch = small_model(Sigma()), random_batch()
    model.likelihood.mse, model.likelihood.steps = torch.tensor(0.01), torch.tensor(1e6)
    model.likelihood.rate = 1e-9
    noise = Recorded()
    loss = Job(model.train(), soft())(batch, at(phase, noise)).loss
    assert model.likelihood.steps == (1e6 + 1 if phase == "model" else 1e6)
    found = Formulas(model, batch.x, noise.draws)
    images = torch.cat([found.reconstruction, found.drawn])
    q = found.q(images)
    again = found.decode(q.mean + q.stddev * torch.cat(found.eps))
    log_p = torch.distributions.Normal(again, 0.1).log_prob(images).flatten(1).sum(1)
    sigma = (found.x - found.reconstruction).square().mean().sqrt()
    log_px = torch.distributions.Normal(found.reconstruction, sigma).log_prob(found.x).flatten(1).sum(1)
    real = found.kl.mean() - log_px.mean()
    if phase == "model":
        right = real + (torch.exp(-2 / 64 * (4 * found.kl_of(q) - log_p)) * 64 / 2).mean()
    else:
        right = real + (found.kl_of(q) - 0.5 * log_p).mean()
    assert_close(loss, right, rtol=1e-4, atol=1e-3)
