import math

import pytest
import torch
from helpers import gen
from params import SHAPE, VALUES, normal_log_prob, pair
from torch.distributions import Bernoulli as TorchBernoulli

from vae_lab.likelihoods import MSE, Bernoulli, Gaussian, Sigma, SigmaPerPixel, SigmaPredicted
from vae_lab.noise import SeededNoise

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


def test_learned_sigmas_say_so():
    fitting = [one for one in (*ALL, SigmaPredicted()) if one.fits_sigma]
    assert [type(one).__name__ for one in fitting] == ["Sigma", "SigmaPerPixel", "SigmaPredicted"]
