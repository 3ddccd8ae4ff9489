import math

import pytest
import torch
from helpers import gen
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Normal

from vae_lab.likelihoods import MSE, Bernoulli, Gaussian, Sigma, SigmaPerPixel, SigmaPredicted
from vae_lab.noise import SeededNoise

SHAPE = (2, 3, 4)
VALUES = 24


def pair(k: int = 3, b: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    params = torch.randn((k, b, *SHAPE), generator=gen(1))
    return params, torch.rand((b, *SHAPE), generator=gen(2))


def normal_log_prob(params, target, sigma) -> torch.Tensor:
    return Normal(torch.sigmoid(params), sigma).log_prob(target).sum((2, 3, 4))


ALL = [MSE(), Gaussian(0.3), Sigma(), SigmaPerPixel(SHAPE), Bernoulli()]
NAMES = [type(one).__name__ for one in ALL]


@pytest.mark.parametrize("likelihood", ALL, ids=NAMES)
def test_log_prob_is_one_number_per_sample_and_image(likelihood):
    assert likelihood.log_prob(*pair()).shape == (3, 5)


@pytest.mark.parametrize("likelihood", ALL, ids=NAMES)
def test_the_mean_is_an_image(likelihood):
    mean = likelihood.mean(torch.tensor([-50.0, 0.0, 50.0]))
    torch.testing.assert_close(mean, torch.tensor([0.0, 0.5, 1.0]))


@pytest.mark.parametrize("likelihood", [MSE(), Gaussian(0.3), Bernoulli()], ids=["MSE", "Gaussian", "Bernoulli"])
def test_images_of_a_batch_are_scored_apart(likelihood):
    params, target = pair()
    torch.testing.assert_close(
        likelihood.log_prob(params, target)[:, 1:2], likelihood.log_prob(params[:, 1:2], target[1:2])
    )


def test_mse_is_a_gaussian_of_variance_one_half():
    params, target = pair()
    torch.testing.assert_close(MSE().log_prob(params, target), normal_log_prob(params, target, math.sqrt(0.5)))


def test_mse_without_its_offset_is_the_sum_of_squared_errors():
    params, target = pair()
    recon = -MSE().log_prob(params, target) - MSE().recon_offset(VALUES)
    torch.testing.assert_close(recon, (target - torch.sigmoid(params)).square().sum((2, 3, 4)))


@pytest.mark.parametrize("sigma", [0.1, 0.3, 1.0, 2.0])
def test_gaussian_is_that_of_torch_distributions(sigma):
    params, target = pair()
    torch.testing.assert_close(Gaussian(sigma).log_prob(params, target), normal_log_prob(params, target, sigma))


def test_gaussian_of_variance_one_half_is_mse():
    params, target = pair()
    torch.testing.assert_close(Gaussian(math.sqrt(0.5)).log_prob(params, target), MSE().log_prob(params, target))


@pytest.mark.parametrize("likelihood", [Gaussian(0.3), Sigma(), Bernoulli()], ids=["Gaussian", "Sigma", "Bernoulli"])
def test_only_mse_leaves_something_out_of_recon(likelihood):
    assert likelihood.recon_offset(VALUES) == 0
    assert MSE().recon_offset(VALUES) == pytest.approx(VALUES / 2 * math.log(math.pi))


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


def test_observing_forgets_what_is_long_past():
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
    variance = (2 * pixel_mse(params, target) + pixel_mse(params, other)) / 3
    torch.testing.assert_close(likelihood.mse, variance)
    expected = normal_log_prob(params, target, variance.sqrt())
    torch.testing.assert_close(likelihood.eval().log_prob(params, target), expected)
    assert torch.equal(likelihood.log_prob(params + 3, target), likelihood.log_prob(params + 3, target))
    torch.testing.assert_close(likelihood.mse, variance)  # never refitted
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


@pytest.mark.parametrize("likelihood", [Sigma(), SigmaPerPixel(SHAPE)], ids=["Sigma", "SigmaPerPixel"])
def test_a_batch_of_one_image_has_a_sigma(likelihood):
    params, target = pair(1, 1)
    leaf = params.clone().requires_grad_()
    likelihood.log_prob(leaf, target).sum().backward()
    assert torch.isfinite(leaf.grad).all()
    likelihood.observe(params, target)
    assert torch.isfinite(likelihood.mse).all()


def predicted(k: int = 3, b: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Parameters of mean and of log σ, and a target."""
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
    assert SigmaPredicted().params_per_value == 2
    torch.testing.assert_close(SigmaPredicted().mean(params), torch.sigmoid(mean))
    torch.testing.assert_close(SigmaPredicted().mean(params[0]), torch.sigmoid(mean[0]))


def test_samples_of_a_predicted_sigma_spread_by_it():
    params = torch.full((1, 1, 2, 300, 300), 0.7)
    params[:, :, 1] = math.log(0.2)
    drawn = SigmaPredicted(1e-6).sample(params, SeededNoise("cpu", 0))
    assert drawn.shape == (1, 1, 1, 300, 300)
    assert drawn.mean().item() == pytest.approx(torch.sigmoid(torch.tensor(0.7)).item(), abs=0.01)
    assert drawn.std().item() == pytest.approx(0.2, rel=0.02)


def test_learned_sigmas_say_so():
    fitting = [one for one in (*ALL, SigmaPredicted()) if one.fits_sigma]
    assert [type(one).__name__ for one in fitting] == ["Sigma", "SigmaPerPixel", "SigmaPredicted"]


def test_bernoulli_is_that_of_torch_distributions():
    params, target = pair()
    target = target.round()
    expected = TorchBernoulli(logits=params).log_prob(target).sum((2, 3, 4))
    torch.testing.assert_close(Bernoulli().log_prob(params, target), expected)


def test_bernoulli_probabilities_of_all_images_sum_to_1():
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4).view(16, 1, 2, 2)
    params = torch.randn((1, 1, 1, 2, 2), generator=gen()).expand(1, 16, 1, 2, 2)
    assert Bernoulli().log_prob(params, images).exp().sum().item() == pytest.approx(1, rel=1e-5)


def test_bernoulli_stays_finite_at_extreme_logits():
    params = torch.tensor([200.0, -200.0]).view(1, 1, 1, 1, 2)
    wrong, right = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2), torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    assert Bernoulli().log_prob(params, wrong).item() == -400
    assert Bernoulli().log_prob(params, right).item() == 0


def test_bernoulli_samples_are_binary_with_the_right_frequencies():
    params = torch.tensor([-2.0, 0.0, 1.0]).view(1, 1, 3, 1, 1)
    drawn = Bernoulli().sample(params.expand(1, 50_000, 3, 1, 1), SeededNoise("cpu", 0))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean((0, 1, 3, 4)), torch.sigmoid(params).flatten(), atol=0.01, rtol=0)


@pytest.mark.parametrize(("likelihood", "sigma"), [(MSE(), math.sqrt(0.5)), (Gaussian(0.3), 0.3), (Sigma(), 0.2)])
def test_gaussian_samples_spread_by_sigma_around_the_mean(likelihood, sigma):
    if isinstance(likelihood, Sigma):
        likelihood.mse = torch.tensor(sigma**2)
    drawn = likelihood.sample(torch.full((1, 1, 1, 300, 300), 0.7), SeededNoise("cpu", 0))
    assert drawn.mean().item() == pytest.approx(torch.sigmoid(torch.tensor(0.7)).item(), abs=0.01)
    assert drawn.std().item() == pytest.approx(sigma, rel=0.02)


@pytest.mark.parametrize("likelihood", ALL, ids=NAMES)
def test_samples_come_from_the_given_noise_alone(likelihood):
    params, _ = pair()
    first = likelihood.sample(params, SeededNoise("cpu", 1))
    torch.manual_seed(7)
    assert torch.equal(likelihood.sample(params, SeededNoise("cpu", 1)), first)
    assert not torch.equal(likelihood.sample(params, SeededNoise("cpu", 2)), first)
