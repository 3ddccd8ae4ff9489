import math

import numpy as np
import pytest
import torch

from vae_lab.metrics.anomaly_scores.empirical_tails import EmpiricalTails

ROWS = torch.tensor([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [30.0, 5.0]])  # the first column is skewed to the right


def test_tails_count_the_point_itself():
    left, right = EmpiricalTails(ROWS).surprise(torch.tensor([[1.5, 5.0], [99.0, 9.0], [-1.0, 0.0]]))
    expected = torch.tensor([[3 / 5, 1.0], [1.0, 1.0], [1 / 5, 1 / 5]], dtype=torch.float64)
    torch.testing.assert_close(torch.exp(-left), expected)
    expected = torch.tensor([[3 / 5, 1.0], [1 / 5, 1 / 5], [1.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(torch.exp(-right), expected)


def test_a_skewed_column_counts_with_its_long_tail():
    tails = EmpiricalTails(ROWS[:, :1])
    assert tails.skewness.tolist() == [1]
    high, low = tails(torch.tensor([[99.0], [-1.0]]), "copod").tolist()
    assert high == pytest.approx(math.log(5))
    assert low == pytest.approx(math.log(5) / 2)  # the short tail counts half, as the mean of both
    assert tails(torch.tensor([[-1.0]]), "ecod").item() == pytest.approx(math.log(5))


def test_a_point_far_out_is_the_most_anomalous_and_the_middle_the_least():
    rows = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    for joined in ("copod", "ecod"):
        far, middle, near = EmpiricalTails(rows)(torch.tensor([[9.0, -9, 9], [0, 0, 0], [0.5, 0, 0.5]]), joined)
        assert far > near > middle


def test_scores_are_those_of_pyod_for_one_new_point():
    # pyod 3.6.7: COPOD and ECOD fitted on these rows, decision_function of each point alone
    rows = np.random.RandomState(3).gamma(2.0, size=(40, 3))
    points = np.array([[0.1, 9.0, 2.0], [2.0, 1.5, 1.0], [20.0, 0.01, 30.0]])
    known = {"copod": [6.644872837145511, 2.118928952542367, 9.283930166760769],
             "ecod": [8.501658870497664, 2.720915354705335, 11.140716200112923]}  # fmt: skip
    for joined, expected in known.items():
        found = EmpiricalTails(torch.from_numpy(rows))(torch.from_numpy(points), joined)
        assert found.tolist() == pytest.approx(expected, rel=1e-12)
