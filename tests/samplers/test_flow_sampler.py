import math

import pytest
import torch
from helpers import gen

from vae_lab.noise import SeededNoise
from vae_lab.samplers.flow import AutoregressiveBlock, Flow
from vae_lab.samplers.gmm import GMM


def silent(steps, _):
    return steps


def banana(n: int = 6000) -> torch.Tensor:
    """Draws of x ~ N(0, 1) and y ~ N(x², 0.3²), whose density is ``log_banana``."""
    x = torch.randn(n, generator=gen())
    return torch.stack([x, x.square() + 0.3 * torch.randn(n, generator=gen(1))], 1)


def log_banana(z: torch.Tensor) -> torch.Tensor:
    x, y = z.unbind(1)
    return torch.distributions.Normal(0, 1).log_prob(x) + torch.distributions.Normal(x.square(), 0.3).log_prob(y)


def moved(block: AutoregressiveBlock) -> AutoregressiveBlock:
    """Change the weights of a block at random, because a new block is the identity."""
    with torch.no_grad():
        for parameter in block.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=gen(parameter.numel()))
    return block


@pytest.fixture(scope="module")
def fitted() -> Flow:
    sampler = Flow(width=32, components=1, epochs=30, batch_size=200, patience=30)
    sampler.fit(banana(), SeededNoise("cpu", 0), silent)
    return sampler


def test_a_block_starts_as_the_identity():
    u, log_det = AutoregressiveBlock([0, 1, 2], 8, 2)(x := torch.randn(5, 3, generator=gen()))
    assert torch.equal(u, x)
    assert not log_det.any()


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0]])
def test_a_block_is_undone_by_its_inverse(order):
    block = moved(AutoregressiveBlock(order, 16, 2))
    x = torch.randn(50, 4, generator=gen())
    with torch.no_grad():
        torch.testing.assert_close(block.inverse(block(x)[0]), x, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(block(x)[0], x, atol=0.1)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0]])
def test_the_log_determinant_is_that_of_autograds_jacobian(order):
    block = moved(AutoregressiveBlock(order, 16, 2))
    for x in torch.randn(5, 1, 4, generator=gen()):
        jacobian = torch.autograd.functional.jacobian(lambda x: block(x)[0], x).squeeze()
        torch.testing.assert_close(block(x)[1][0], jacobian.slogdet().logabsdet)


def test_a_known_density_is_learnt(fitted):
    z = banana(4000) + 0
    gap = (log_banana(z) - fitted.log_prob(z)).mean().item()  # KL from the banana to the flow
    assert -0.02 < gap < 0.08
    gaussian = GMM(1)
    gaussian.fit(z, SeededNoise("cpu", 0), silent)
    assert log_banana(z).mean().item() - gaussian.about["log_p"] > 0.5


def test_the_density_integrates_to_one(fitted):
    side = torch.linspace(-8, 8, 400), torch.linspace(-6, 30, 900)
    grid = torch.cartesian_prod(*side)
    mass = fitted.log_prob(grid).exp().sum() * (side[0][1] - side[0][0]) * (side[1][1] - side[1][0])
    assert mass.item() == pytest.approx(1.0, abs=0.02)


def test_samples_lie_on_the_banana(fitted):
    x, y = fitted.sample(5000, SeededNoise("cpu", 3)).unbind(1)
    assert x.mean().item() == pytest.approx(0, abs=0.08)
    assert x.std().item() == pytest.approx(1, abs=0.08)
    inner = x.abs() < 1.5
    assert (y - x.square())[inner].mean().item() == pytest.approx(0, abs=0.08)
    assert (y - x.square())[inner].std().item() == pytest.approx(0.3, abs=0.1)


def test_clusters_have_no_bridges_between_them():
    codes = torch.cat([torch.randn(1500, 2, generator=gen(i)) * 0.2 + 5 * torch.tensor([i, i % 2]) for i in range(3)])
    sampler = Flow(width=16, components=3, epochs=5, batch_size=200)
    sampler.fit(codes, SeededNoise("cpu", 0), silent)
    drawn = sampler.sample(2000, SeededNoise("cpu", 1))
    assert (torch.cdist(drawn, codes).min(1).values > 1).float().mean() < 0.005
    assert sampler.label == "an autoregressive flow on a mixture of 3 Gaussians"


def test_the_mixture_is_smaller_where_codes_are_few():
    sampler = Flow(width=8, components=50, epochs=1)
    sampler.fit(torch.randn(65, 2, generator=gen()), SeededNoise("cpu", 0), silent)
    assert sampler.about["mixture"]["components"] == 65 // 6


def test_the_reported_loss_is_minus_log_p_of_held_out_codes():
    codes = 100 * torch.randn(3000, 2, generator=gen())
    sampler = Flow(width=8, components=1, epochs=2, held_out=0.5)
    sampler.fit(codes, SeededNoise("cpu", 0), silent)
    standard = 2 * 0.5 * math.log(2 * math.pi * math.e)
    assert sampler.about["held_out_loss"] == pytest.approx(standard, abs=0.1)
    assert sampler.about["held_out_codes"] == 1500
