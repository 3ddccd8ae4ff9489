import numpy as np
import pytest
import torch
from factor_grids import DISGUISED, DOUBLED, PERFECT, noise, rotated, trained

from vae_lab.metrics.sap import SAP, separation


def scores(codes: torch.Tensor):
    return SAP(600, 300)(trained(codes))


def score(codes: torch.Tensor) -> float:
    return scores(codes).values["sap"]


def test_two_dimensions_that_predict_equally_well_have_no_gap():
    assert score(torch.cat([PERFECT, PERFECT], 1)) == 0
    assert score(torch.zeros(60, 3)) == 0
    assert score(DOUBLED) < score(PERFECT)


def test_two_values_are_separated_by_a_sign():
    """A line parts two values; the other factors' dimensions are at chance."""
    codes = torch.cat([torch.where(PERFECT[:, [0]] > 0.7, 5.0, -5.0), PERFECT[:, 1:]], 1)
    values = (PERFECT[:, [0]] > 0.7).long().numpy()
    train = (codes.numpy(), values)
    assert SAP().accuracy(train, train, 0, 0) == 1
    assert SAP().accuracy(train, train, 1, 0) == pytest.approx(0.5, abs=0.2)


def test_order_does_not_matter_and_entangling_does():
    assert score(PERFECT[:, [2, 0, 1]]) == pytest.approx(score(PERFECT))
    assert score(PERFECT) > 0.2
    assert score(DISGUISED) > 0.1
    assert max(score(rotated()), score(noise())) < score(PERFECT) / 2


def test_the_gap_is_between_the_two_best():
    accuracies = np.array([[0.9, 0.2], [0.5, 0.3], [0.1, 0.8]])
    assert separation(accuracies) == pytest.approx([0.4, 0.5])
    assert separation(accuracies[:1]) == pytest.approx([0.9, 0.2])
