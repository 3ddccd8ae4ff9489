import math

import pytest
import torch

from vae_lab.functional import kl_normal
from vae_lab.latents.aggregate import Aggregate
from vae_lab.latents.codes import Codes


def codes(n=400, seed=0) -> Codes:
    draws = torch.Generator().manual_seed(seed)
    mean = torch.randn(n, 4, generator=draws) * torch.tensor([2.0, 0.5, 0.0, 1.0]) + torch.tensor([1.0, 0.0, 0.0, -3.0])
    variance = torch.rand(n, 4, generator=draws) * torch.tensor([0.1, 0.5, 0.0, 0.2]) + torch.tensor([0, 0, 1, 0.1])
    return Codes(mean, variance, kl_normal(mean, variance.log()))


def test_the_moments_are_those_of_draws_from_the_aggregate_posterior():
    of, found = codes(), Aggregate.of(codes())
    chosen = torch.randint(len(of.mean), (200_000,), generator=torch.Generator().manual_seed(1))
    noise = torch.randn(len(chosen), 4, generator=torch.Generator().manual_seed(2))
    draws = of.mean[chosen] + of.variance[chosen].sqrt() * noise
    torch.testing.assert_close(found.mean, draws.mean(0), atol=0.02, rtol=0)
    torch.testing.assert_close(found.sd, draws.std(0), atol=0, rtol=0.02)


def test_dimensions_are_ordered_by_their_kl_and_an_unused_one_is_inactive():
    found = Aggregate.of(codes())
    assert found.order.tolist() == [3, 0, 1, 2]
    assert found.active.tolist() == [True, True, False, True]
    assert found.active_order.tolist() == [3, 0, 1]
    assert found.kl[2] == 0
    assert not found.estimated


def test_a_kl_of_exactly_the_limit_counts_as_active():
    one = Codes(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([[0.01, 0.0099]]))
    assert Aggregate.of(one).active.tolist() == [True, False]


def test_without_a_kl_of_each_dimension_the_information_of_gaussians_stands_for_it():
    draws = torch.Generator().manual_seed(0)
    mean = torch.stack([2 * torch.randn(50_000, generator=draws), torch.zeros(50_000)], 1)
    variance = torch.tensor([0.25, 0.7]).expand(50_000, 2)  # the second says nothing about the example
    found = Aggregate.of(Codes(mean, variance, torch.ones(50_000, 1)))
    assert found.estimated
    assert found.kl.tolist() == pytest.approx([0.5 * math.log(4.25 / 0.25), 0], abs=0.01)
    assert found.active.tolist() == [True, False]


def test_codes_that_are_points_are_ordered_by_their_spread():
    mean = torch.tensor([[0.0, 0.0, 0.0, 5.0], [1.0, 4.0, 0.3, 5.0]])
    found = Aggregate.of(Codes(mean, None, None))
    assert found.kl is None
    assert found.sd.tolist() == pytest.approx([0.5, 2, 0.15, 0])
    assert found.order.tolist() == [1, 0, 2, 3]
    assert found.active.tolist() == [True, True, False, False]  # 0.15² is below a hundredth of 2²


def test_distances_are_measured_in_standard_deviations_of_active_dimensions():
    of, found = codes(), Aggregate.of(codes())
    scaled = found.normalised(of.mean)
    assert scaled.shape == (400, 3)
    torch.testing.assert_close(scaled[:, 1], (of.mean[:, 1] - found.mean[1]) / found.sd[1])
