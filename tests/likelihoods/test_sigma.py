import math

import pytest
import torch
from helpers import gen
from params import SHAPE, VALUES, normal_log_prob, pair

from vae_lab.likelihoods import Gaussian, Sigma


def batch_mse(params, target) -> torch.Tensor:
    return (target - torch.sigmoid(params)).square().mean()


def test_sigma_in_training_is_at_its_optimum():
    params, target = pair()
    expected = VALUES / 2 * (math.log(2 * math.pi * batch_mse(params, target).item()) + 1)
    assert -Sigma().log_prob(params, target).mean().item() == pytest.approx(expected, rel=1e-5)


def test_no_other_sigma_gives_a_training_batch_a_higher_likelihood():
    params, target = pair()
    best = Sigma().log_prob(params, target).mean()
    optimum = batch_mse(params, target).sqrt().item()
    others = [Gaussian(optimum * f).log_prob(params, target).mean() for f in (0.8, 0.98, 1.02, 1.25)]
    assert all(other < best for other in others)


def test_the_gradient_of_sigma_is_that_of_a_gaussian_of_the_same_sigma():
    params, target = pair()
    grads = []
    for likelihood in (Sigma(), Gaussian(batch_mse(params, target).sqrt().item())):
        leaf = params.clone().requires_grad_()
        likelihood.log_prob(leaf, target).mean().backward()
        grads.append(leaf.grad)
    torch.testing.assert_close(grads[0], grads[1])


def test_sigma_in_scoring_is_a_gaussian_of_the_running_sigma():
    params, target = pair()
    likelihood = Sigma().eval()
    likelihood.mse = torch.tensor(0.04)
    torch.testing.assert_close(likelihood.log_prob(params, target), normal_log_prob(params, target, 0.2))


def test_sigma_in_scoring_is_never_refitted():
    params, target = pair()
    likelihood = Sigma().eval()
    before = likelihood.log_prob(params, target)
    likelihood.log_prob(params + 3, target)
    assert torch.equal(likelihood.log_prob(params, target), before)


def test_observing_starts_as_the_mean_over_all_batches():
    likelihood, errors = Sigma(rate=0.01), []
    for seed in range(20):
        params, target = torch.randn((1, 4, *SHAPE), generator=gen(seed)), torch.rand((4, *SHAPE), generator=gen(99))
        likelihood.observe(params, target)
        errors.append(batch_mse(params, target))
    torch.testing.assert_close(likelihood.mse, torch.stack(errors).mean())


def test_observing_forgets_the_distant_past():
    likelihood = Sigma(rate=0.1)
    params, target = pair()
    for _ in range(50):
        likelihood.observe(params + 4, target)
    for _ in range(200):
        likelihood.observe(params, target)
    torch.testing.assert_close(likelihood.mse, batch_mse(params, target))


def test_the_running_sigma_is_in_the_checkpoint():
    likelihood = Sigma()
    likelihood.observe(*pair())
    other = Sigma()
    other.load_state_dict(likelihood.state_dict())
    assert other.mse == likelihood.mse != 1
    assert other.steps == 1


def test_a_perfect_reconstruction_keeps_sigma_finite():
    target = torch.full((2, *SHAPE), 0.5)
    params = torch.zeros((1, 2, *SHAPE))
    likelihood = Sigma()
    likelihood.observe(params, target)
    assert torch.isfinite(likelihood.log_prob(params, target)).all()
    assert torch.isfinite(likelihood.eval().log_prob(params, target)).all()


def test_the_running_sigma_is_logged():
    likelihood = Sigma()
    params, target = pair()
    likelihood.observe(params, target)
    assert likelihood.logs() == {"sigma": batch_mse(params, target).sqrt()}
