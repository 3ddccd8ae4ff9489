import pytest
import torch
from helpers import random_batch, small_model
from introspective import Formulas, Recorded, at, isolate
from torch.testing import assert_close

from vae_lab.objectives.elbo import ELBO
from vae_lab.objectives.intro_vae import IntroVAE
from vae_lab.schedules import Constant
from vae_lab.training.job import Job


def intro(k1=1.0, k2=1.0, margin=1.0, alpha=0.5, vae_epochs=0.0) -> IntroVAE:
    return IntroVAE(k1, k2, margin, alpha, vae_epochs)


def loss_of_paper(model, x, draws, phase, k1, k2, margin, alpha):
    """Equations 11 and 12, image by image, with α/2 for α."""
    at, total = Formulas(model, x, draws), 0.0
    for image in (at.reconstruction, at.drawn):
        kl = at.kl_of(at.q(image.detach() if phase == "model" else image))
        for one in kl:
            total = total + (torch.relu(margin - one) if phase == "model" else one) / len(x)
    return k1 * at.recon.mean() + k2 * (at.kl.mean() + alpha / 2 * total)


@pytest.mark.parametrize("phase", IntroVAE.phases)
@pytest.mark.parametrize(("k1", "k2", "alpha"), [(1, 1, 0.5), (0.5, 2, 3)])
def test_the_losses_and_gradients_are_those_of_the_paper(phase, k1, k2, alpha):
    batch, noise, job = random_batch(), Recorded(), Job(small_model(), intro())
    kl = Formulas(job.model, batch.x, _draws(job, batch)).kl.median().item()  # some images are beyond the margin
    job.objective = intro(k1, k2, kl, alpha)
    loss = job(batch, at(phase, noise)).loss
    right = loss_of_paper(job.model, batch.x, noise.draws, phase, k1, k2, kl, alpha)
    assert_close(loss, right)
    own = list(job.parameters_of(phase))
    for ours, theirs in zip(*(torch.autograd.grad(value, own) for value in (loss, right))):
        assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def _draws(job, batch):
    noise = Recorded()
    job(batch, at("model", noise))
    return noise.draws


def test_an_image_beyond_the_margin_is_not_pushed_any_further():
    batch, model = random_batch(), small_model()
    near, far = (intro(margin=margin)(model, batch, at("model")) for margin in (1e-6, 1e3))
    assert near.logs["repulsion"].item() == 0
    assert_close(near.loss, ELBO(1, 1, 1, "B", Constant())(model, batch, at("model")).loss)
    both = (far.logs["kl_samples"] + far.logs["kl_reconstructions"]) / 2
    assert_close(far.logs["repulsion"], 1e3 - both)
    assert_close(far.loss.detach(), near.loss.detach() + 0.5 * (1e3 - both))


@pytest.mark.parametrize("phase", IntroVAE.phases)
def test_the_first_epochs_train_a_vae(phase):
    batch, model = random_batch(), small_model()
    objective, elbo = intro(0.5, 3.0, margin=50, vae_epochs=10), ELBO(0.5, 3.0, 1, "B", Constant())
    assert_close(objective(model, batch, at(phase, epoch=9.9)).loss, elbo(model, batch, at(phase)).loss)
    assert objective(model, batch, at(phase, epoch=10.0)).loss > elbo(model, batch, at(phase)).loss


def test_each_phase_updates_its_own_networks():
    batch, job = random_batch(), Job(small_model(), intro(margin=100))
    for phase, others in (("model", "decoder"), ("decoder", "model")):
        job.zero_grad(set_to_none=True)
        isolate(job, phase)
        job(batch, at(phase)).loss.backward()
        assert all(p.grad is not None and p.grad.any() for p in job.parameters_of(phase))
        assert all(p.grad is None for p in job.parameters_of(others))
