import numpy as np
import pytest
import torch
from helpers import gen

from vae_lab.metrics.common.auroc import auroc, auroc_on_resamples, roc
from vae_lab.metrics.common.resampling import interval, resamples


def pair(shift: float, m: int = 300, n: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(m, generator=gen(1)).double() + shift, torch.randn(n, generator=gen(2)).double()


@pytest.mark.parametrize(
    ("odd", "usual", "expected"),
    [([3, 4], [1, 2], 1), ([1, 2], [3, 4], 0), ([1, 1], [1, 1], 0.5), ([2, 0], [1], 0.5), ([1, 2], [1, 1], 0.75)],
)
def test_known_values(odd, usual, expected):
    odd, usual = torch.tensor(odd).double(), torch.tensor(usual).double()
    assert auroc(odd, usual) == expected
    once = (torch.ones(1, len(odd)).double(), torch.ones(1, len(usual)).double())
    assert auroc_on_resamples(odd, usual, *once).tolist() == [expected]


def test_resamples_are_those_of_images_that_were_drawn_so_often():
    odd, usual = (values.mul(4).round() for values in pair(0.5, 30, 40))  # with ties
    counts = resamples(30, 5, 0), resamples(40, 5, 1)
    found = auroc_on_resamples(odd, usual, *counts)
    for value, a, b in zip(found, *counts):
        drawn = odd.repeat_interleave(a.long()), usual.repeat_interleave(b.long())
        assert value.item() == pytest.approx(auroc(*drawn))


@pytest.mark.parametrize("shift", [0, 0.7])
def test_the_interval_holds_the_true_value(shift):
    true = torch.distributions.Normal(0, 2**0.5).cdf(torch.tensor(float(shift))).item()
    odd, usual = pair(shift)
    found = auroc_on_resamples(odd, usual, resamples(300, 300, 0), resamples(400, 300, 1))
    low, high = interval(auroc(odd, usual), found, high=1.0)
    assert low < true < high
    assert 0.04 < high - low < 0.12


def test_the_curve_is_read_at_the_shares_that_were_asked_for():
    odd, usual = torch.tensor([0.5, 2.5]).double(), torch.tensor([0.0, 1.0, 2.0, 3.0]).double()
    assert roc(odd, usual, np.array([0, 0.24, 0.26, 0.7, 0.76, 1])) == [0, 0, 0.5, 0.5, 1, 1]
    curve = np.array(roc(*pair(1.0), np.linspace(0, 1, 1001)))
    assert (curve[1:] + curve[:-1]).mean() / 2 == pytest.approx(auroc(*pair(1.0)), abs=2e-3)
