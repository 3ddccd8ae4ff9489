import math

import pytest
import torch
from helpers import gen
from params import SHAPE, normal_log_prob, pair
from torch.distributions import Normal

from vae_lab.likelihoods import Sigma, SigmaPerPixel, SigmaPredicted
from vae_lab.noise import SeededNoise


def pixel_mse(params, target) -> torch.Tensor:
    return (target - torch.sigmoid(params)).square().mean((0, 1))


def test_sigma_per_pixel_in_training_is_at_the_optimum_of_each_pixel():
    params, target = pair()
    expected = (0.5 * (torch.log(2 * math.pi * pixel_mse(params, target)) + 1)).sum()
    torch.testing.assert_close(-SigmaPerPixel(SHAPE).log_prob(params, target).mean(), expected)


def test_sigma_per_pixel_in_training_is_that_of_torch_distributions():
    params, target = pair()
    expected = normal_log_prob(params, target, pixel_mse(params, target).sqrt())
    torch.testing.assert_close(SigmaPerPixel(SHAPE).log_prob(params, target), expected)


def test_no_other_sigma_of_a_pixel_gives_a_training_batch_a_higher_likelihood():
    params, target = pair()
    best, optimum = SigmaPerPixel(SHAPE).log_prob(params, target).mean(), pixel_mse(params, target).sqrt()
    for factor in (0.8, 0.98, 1.02, 1.25):
        other = optimum.clone()
        other[1, 2, 3] *= factor
        assert normal_log_prob(params, target, other).mean() < best


def test_the_gradient_of_sigma_per_pixel_is_that_of_gaussians_of_the_same_sigma():
    params, target = pair()
    sigma, leaves = pixel_mse(params, target).sqrt(), [params.clone().requires_grad_() for _ in range(2)]
    SigmaPerPixel(SHAPE).log_prob(leaves[0], target).mean().backward()
    normal_log_prob(leaves[1], target, sigma).mean().backward()
    torch.testing.assert_close(leaves[0].grad, leaves[1].grad)


def test_pixels_of_one_sigma_are_those_of_the_shared_sigma():
    params, target = torch.zeros(1, 4, *SHAPE), torch.full((4, *SHAPE), 0.7)
    torch.testing.assert_close(SigmaPerPixel(SHAPE).log_prob(params, target), Sigma().log_prob(params, target))


def test_sigma_per_pixel_in_scoring_is_the_running_one():
    params, target = pair()
    likelihood, other = SigmaPerPixel(SHAPE), torch.rand((5, *SHAPE), generator=gen(8))
    for seen in (target, other, target):
        likelihood.observe(params, seen)
    variance = (56 * pixel_mse(params, target) + 10 * pixel_mse(params, other)) / 66  # weights 1 : 10 : 55
    torch.testing.assert_close(likelihood.mse, variance)
    expected = normal_log_prob(params, target, variance.sqrt())
    torch.testing.assert_close(likelihood.eval().log_prob(params, target), expected)
    assert torch.equal(likelihood.log_prob(params + 3, target), likelihood.log_prob(params + 3, target))
    torch.testing.assert_close(likelihood.mse, variance)  # scoring does not change it
    torch.testing.assert_close(likelihood.logs()["sigma"], variance.sqrt().mean())
    again = SigmaPerPixel(SHAPE)
    again.load_state_dict(likelihood.state_dict())
    assert torch.equal(again.mse, likelihood.mse)


def test_a_pixel_that_never_varies_ends_at_the_floor():
    params, target = pair()
    target[:, 0, 0, 0] = 0
    exact = params.clone()
    exact[..., 0, 0, 0] = -200
    likelihood = SigmaPerPixel(SHAPE, floor=0.01)
    gain = likelihood.log_prob(exact, target) - likelihood.log_prob(params, target)
    likelihood.observe(exact, target)
    assert likelihood.mse.sqrt().min().item() == pytest.approx(0.01)
    assert likelihood.mse.argmin() == 0
    before = Normal(torch.sigmoid(params[..., 0, 0, 0]), pixel_mse(params, target)[0, 0, 0].sqrt()).log_prob(
        torch.tensor(0.0)
    )
    torch.testing.assert_close(gain, -math.log(0.01) - 0.5 * math.log(2 * math.pi) - before)


@pytest.mark.parametrize(("floor", "nats"), [(0.0025, 80_000), (0.05, 200)])
def test_a_stray_pixel_costs_what_the_page_on_terms_says(floor, nats):
    params, black = torch.full((1, 2, *SHAPE), -200.0), torch.zeros(2, *SHAPE)
    likelihood = SigmaPerPixel(SHAPE, floor=floor)
    likelihood.observe(params, black)
    stray = black.clone()
    stray[1, 0, 1, 1] = 1
    cost = likelihood.scored_log_prob(params, black) - likelihood.scored_log_prob(params, stray)
    torch.testing.assert_close(cost, torch.tensor([[0.0, nats]]), rtol=1e-4, atol=0.1)


@pytest.mark.parametrize("likelihood", [Sigma(), SigmaPerPixel(SHAPE)], ids=["Sigma", "SigmaPerPixel"])
def test_a_batch_of_one_image_has_a_sigma(likelihood):
    params, target = pair(1, 1)
    leaf = params.clone().requires_grad_()
    likelihood.log_prob(leaf, target).sum().backward()
    assert torch.isfinite(leaf.grad).all()
    likelihood.observe(params, target)
    assert torch.isfinite(likelihood.mse).all()


def predicted(k: int = 3, b: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Parameters of the mean, parameters of log σ, and a target."""
    params, target = pair(k, b)
    return params, torch.randn((k, b, *SHAPE), generator=gen(3)), target


def test_a_predicted_sigma_is_that_of_torch_distributions():
    mean, raw, target = predicted()
    floor = 0.0025
    sigma = torch.exp(math.log(floor) + torch.log1p(torch.exp(raw - math.log(floor))))
    found = SigmaPredicted(floor).log_prob(torch.cat([mean, raw], 2), target)
    torch.testing.assert_close(found, normal_log_prob(mean, target, sigma))


def test_a_predicted_sigma_is_the_decoders_where_the_floor_is_far_and_else_the_floor():
    likelihood = SigmaPredicted(0.01)
    raw = torch.tensor([2.0, 0.0, -1e4]).view(1, 1, 3, 1, 1)
    found = likelihood.log_sigma(torch.cat([raw, raw], 2)).flatten().tolist()
    assert found == pytest.approx([2.0, 0.0, math.log(0.01)], abs=0.01)


def test_the_mean_of_a_predicted_sigma_is_that_of_the_first_channels():
    mean, raw, _ = predicted()
    params = torch.cat([mean, raw], 2)
    assert SigmaPredicted().params_shape(SHAPE) == tuple(params.shape[2:])
    torch.testing.assert_close(SigmaPredicted().mean(params), torch.sigmoid(mean))
    torch.testing.assert_close(SigmaPredicted().mean(params[0]), torch.sigmoid(mean[0]))


def test_samples_of_a_predicted_sigma_spread_by_it():
    params = torch.full((1, 1, 2, 300, 300), 0.7)
    params[:, :, 1] = math.log(0.2)
    drawn = SigmaPredicted(1e-6).sample(params, SeededNoise("cpu", 0))
    assert drawn.shape == (1, 1, 1, 300, 300)
    assert drawn.mean().item() == pytest.approx(torch.sigmoid(torch.tensor(0.7)).item(), abs=0.01)
    assert drawn.std().item() == pytest.approx(0.2, rel=0.02)
