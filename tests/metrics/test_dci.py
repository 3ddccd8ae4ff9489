import math

import numpy as np
import pytest
import torch
from factor_grids import trained, values
from helpers import gen

from vae_lab.metrics.dci import DCI, weighted_certainty

SIZES = (2, 3)  # few values make few trees
PERFECT = values(SIZES)
SWAPPED = torch.stack([0.2 * PERFECT[:, 1] + 3, -7 * PERFECT[:, 0]], 1)
ENTANGLED = torch.stack([PERFECT.sum(1), PERFECT[:, 0] - PERFECT[:, 1]], 1)


def scores(codes: torch.Tensor, trees="boosted", **options):
    return DCI(100, 300, trees, **options)(trained(codes, SIZES))


def parts(codes: torch.Tensor, trees="boosted") -> list[float]:
    names = ("disentanglement", "completeness", "informativeness")
    return [scores(codes, trees).values[f"dci_{name}"] for name in names]


@pytest.mark.parametrize("codes", [PERFECT, SWAPPED, torch.cat([PERFECT, torch.zeros(6, 2)], 1)])
def test_a_separate_dimension_for_each_factor_gives_one_in_all_parts(codes):
    assert parts(codes) == pytest.approx([1, 1, 1], abs=0.02)


def test_factors_spread_over_two_dimensions_are_incomplete_and_still_disentangled():
    disentanglement, completeness, informativeness = parts(torch.cat([PERFECT, 2 * PERFECT], 1), "forest")
    assert disentanglement > 0.9
    assert completeness == pytest.approx(1 - math.log(2, 4), abs=0.1)
    assert informativeness == 1


def test_entangled_codes_are_informative_and_nothing_else():
    disentanglement, completeness, informativeness = parts(ENTANGLED)
    assert max(disentanglement, completeness) < 0.5
    assert informativeness == 1


def test_a_collapsed_code_is_at_zero_and_chance():
    disentanglement, completeness, informativeness = parts(torch.zeros(6, 3))
    assert disentanglement == completeness == 0
    assert informativeness == pytest.approx((1 / 2 + 1 / 3) / 2, abs=0.08)


def test_the_importance_of_each_dimension_is_given_by_factor():
    found = np.array(scores(SWAPPED).arrays["dci_importance"])
    assert found == pytest.approx(np.array([[0, 1], [1, 0]]), abs=0.01)


def test_side_by_side_gives_the_same():
    codes = torch.randn(6, 4, generator=gen())
    assert scores(codes, "forest", jobs=2).values == scores(codes, "forest").values


def test_certainty_of_known_importances():
    assert weighted_certainty(np.eye(4)) == pytest.approx(1)
    assert weighted_certainty(np.ones((4, 4))) == pytest.approx(0)
    assert weighted_certainty(np.zeros((4, 4))) == 0
    assert weighted_certainty(np.array([[1.0, 1.0, 0, 0]])) == pytest.approx(0.5)  # log 2 of log 4
    assert weighted_certainty(np.array([[3.0, 0.0], [0.5, 0.5]])) == pytest.approx(0.75)  # by the rows' weight
