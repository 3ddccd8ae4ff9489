import numpy as np
import pytest
import torch

from vae_lab.errors import UserError
from vae_lab.metrics.common.conformal import exceedances, likely_rates, p_values, threshold


def test_the_p_value_counts_held_out_scores_that_are_at_least_as_high():
    held_out = torch.tensor([3.0, 1.0, 2.0, 2.0])
    assert p_values(torch.tensor([4.0, 3.0, 2.0, 1.5, 0.0]), held_out).tolist() == [0.2, 0.4, 0.8, 0.8, 1.0]


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("n", [100, 199, 1000])
def test_a_score_above_the_threshold_has_a_p_value_of_at_most_alpha_and_no_other(alpha, n):
    draws = torch.Generator().manual_seed(n)
    held_out = torch.randn(n, generator=draws).round(decimals=2)  # with ties
    scores = torch.randn(3000, generator=draws).round(decimals=2)
    flagged = scores.double() > threshold(held_out, alpha)
    assert torch.equal(flagged, p_values(scores, held_out) <= alpha + 1e-12)


def test_the_threshold_raises_no_more_false_alarms_than_promised_on_average_and_in_95_percent_of_sets():
    draws, n, alpha = torch.Generator().manual_seed(0), 99, 0.05
    held_out = torch.rand(4000, n, generator=draws, dtype=torch.float64)
    rates = 1 - np.array([threshold(one, alpha) for one in held_out])  # of U[0, 1): exactly P(score > threshold)
    assert rates.mean() == pytest.approx(alpha, abs=3 * rates.std() / 4000**0.5)  # k / (n + 1) = 5 / 100
    low, high = likely_rates(alpha, n)
    assert ((low <= rates) & (rates <= high)).mean() == pytest.approx(0.95, abs=0.012)


def test_a_rate_that_no_p_value_reaches_is_refused_with_one_that_is():
    assert exceedances(0.01, 99) == 1
    with pytest.raises(UserError, match=r"1/60, so that nothing could be flagged; type false_alarms=0\.017 or more"):
        exceedances(0.01, 59)
    assert exceedances(0.017, 59) == 1
