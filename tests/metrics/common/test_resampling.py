import pytest
import torch
from helpers import gen

from vae_lab.metrics.common.resampling import bootstrap_protocol, interval, resamples


def test_each_resample_draws_as_many_images_as_there_are():
    counts = resamples(50, 200, 0)
    assert counts.shape == (200, 50)
    assert counts.dtype == torch.float64
    assert torch.equal(counts.sum(1), torch.full((200,), 50.0, dtype=torch.float64))
    assert torch.equal(counts, counts.round())


def test_counts_are_those_of_drawing_with_replacement():
    counts = resamples(100, 2000, 0)
    torch.testing.assert_close(counts.mean(0), torch.ones(100).double(), atol=0.12, rtol=0)
    assert counts.var().item() == pytest.approx(1 - 1 / 100, rel=0.02)  # binomial of 100 draws at 1/100
    assert (counts == 0).double().mean().item() == pytest.approx(0.99**100, abs=0.01)


def test_resamples_depend_on_the_seed_alone():
    torch.manual_seed(1)
    first = resamples(20, 5, 0)
    torch.manual_seed(2)
    assert torch.equal(resamples(20, 5, 0), first)
    assert not torch.equal(resamples(20, 5, 1), first)


def test_resamples_for_two_purposes_are_independent():
    one, other = resamples(200, 500, 0, "codes"), resamples(200, 500, 0, "prior")
    assert torch.equal(one, resamples(200, 500, 0, "codes"))
    assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].abs() < 4 / (200 * 500) ** 0.5


def test_an_interval_is_the_spread_about_the_mean_laid_around_the_value():
    replicates = torch.linspace(0, 100, 101) + 1000  # a biased score: its resamples lie far from the value
    assert interval(7.0, replicates, low=-100) == pytest.approx((7 - 47.5, 7 + 47.5))


def test_an_interval_stays_within_the_range_of_the_score():
    replicates = torch.linspace(-1, 1, 101)
    assert interval(0.1, replicates, 0, 1) == pytest.approx((0, 1))
    assert interval(0.1, replicates) == pytest.approx((0, 1.05))


def test_resamples_that_are_all_equal_leave_no_doubt():
    assert interval(3.0, torch.full((10,), 5.0)) == (3.0, 3.0)


def interval_of_the_mean(values: torch.Tensor, seed: int, replicates: int) -> tuple[float, float]:
    means = resamples(len(values), replicates, seed) @ values.double() / len(values)
    return interval(values.mean().item(), means)


def test_the_interval_of_a_mean_is_that_of_the_central_limit_theorem():
    values = torch.rand(2000, generator=gen())
    low, high = interval_of_the_mean(values, 0, 2000)
    standard_error = values.std().item() / 2000**0.5
    assert (low + high) / 2 == pytest.approx(values.mean().item(), abs=0.1 * standard_error)
    assert (high - low) / 2 == pytest.approx(1.96 * standard_error, rel=0.08)


def test_intervals_hold_the_true_mean_as_often_as_they_say():
    held = 0
    for seed in range(300):
        low, high = interval_of_the_mean(torch.rand(60, generator=gen(seed)), seed, 200)
        held += low <= 0.5 <= high
    assert held / 300 == pytest.approx(0.945, abs=0.035)


def test_the_bootstrap_is_described():
    assert bootstrap_protocol(100).startswith("95 % of 100 resamples of the generated images")
    assert "of the balls" in bootstrap_protocol(7, "balls")
