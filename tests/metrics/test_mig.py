import numpy as np
import pytest
import torch
from factor_grids import DISGUISED, DOUBLED, PERFECT, WITH_UNUSED, noise, rotated, trained

from vae_lab.metrics.mig import MIG, information_gaps


def scores(codes: torch.Tensor):
    return MIG(2000)(trained(codes))


def score(codes: torch.Tensor) -> float:
    return scores(codes).values["mig"]


@pytest.mark.parametrize("codes", [PERFECT, DISGUISED, WITH_UNUSED])
def test_a_separate_dimension_for_each_factor_gives_one(codes):
    assert score(codes) == pytest.approx(1, abs=0.01)


def test_two_dimensions_with_equal_information_have_no_gap():
    assert score(DOUBLED) == pytest.approx(0, abs=1e-9)


def test_one_factor_known_by_one_dimension_and_two_by_none():
    found = scores(torch.cat([PERFECT[:, [1]], torch.zeros(60, 2)], 1))
    assert found.arrays["mig_per_factor"] == pytest.approx([0, 1, 0], abs=0.01)
    assert found.values["mig"] == pytest.approx(1 / 3, abs=0.01)


def test_entangled_codes_have_a_small_gap():
    assert score(rotated()) < 0.4
    assert score(noise()) < 0.2


def test_half_known_factors_give_the_ratio_of_entropies():
    values = np.arange(1000).reshape(-1, 1) % 4
    halves = np.concatenate([values // 2, np.zeros_like(values)], 1)
    assert information_gaps(halves, values, 20) == pytest.approx([0.5])
    rival = np.concatenate([values, values // 2], 1)
    assert information_gaps(rival, values, 20) == pytest.approx([0.5])


def test_bins_are_of_equal_width():
    values = np.repeat(np.arange(4), 10).reshape(-1, 1)
    bunched = np.array([0.0, 0.1, 0.2, 1.0])[values]  # three values fall into the first of two bins
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert information_gaps(bunched, values, 2) == pytest.approx([entropy / np.log(4)])


def test_codes_that_differ_by_less_than_a_bin_of_float32_have_bins_all_the_same():
    """The means of a model that hardly uses its latents, in which NumPy finds no room for 20 edges in float32."""
    values = np.repeat([[0], [1]], 50, 0)
    codes = np.where(values, np.nextafter(np.float32(1), np.float32(2)), np.float32(1)).astype(np.float32)
    assert information_gaps(codes, values, bins=20) == pytest.approx([1])
