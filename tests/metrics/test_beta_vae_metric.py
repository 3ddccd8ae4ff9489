import pytest
import torch
from factor_grids import DISGUISED, PERFECT, SIZES, WITH_UNUSED, noise, rotated, trained

from vae_lab.metrics.beta_vae_metric import BetaVAEMetric
from vae_lab.metrics.common.factor_codes import FactorCodes
from vae_lab.noise import SeededNoise


def score(codes: torch.Tensor) -> float:
    return BetaVAEMetric(600, 300, 32)(trained(codes)).values["beta_vae_metric"]


@pytest.mark.parametrize("codes", [PERFECT, WITH_UNUSED, 5 * PERFECT])
def test_codes_that_are_the_factors_are_classified_correctly(codes):
    assert score(codes) > 0.99


def test_noise_and_collapse_are_at_chance():
    assert score(noise()) < 0.6  # one code per image: the pairs that are one image by chance give a little away
    assert score(torch.zeros(60, 3)) == pytest.approx(1 / 3, abs=0.06)


def test_the_order_of_dimensions_does_not_matter():
    assert score(PERFECT[:, [2, 0, 1]]) == pytest.approx(score(PERFECT))
    assert score(DISGUISED) > 0.95


def test_entangled_codes_lie_in_between_though_the_metric_is_lenient():
    assert score(noise()) < score(rotated()) <= score(PERFECT)


def test_a_point_is_the_mean_distance_of_pairs_that_share_the_factor():
    x, shared = BetaVAEMetric().points(FactorCodes(PERFECT, SIZES, {}), SeededNoise("cpu", 0), 500)
    assert x.shape == (500, 3)
    assert (x[torch.arange(500), shared] == 0).all()
    apart = torch.stack([x[shared != k][:, k].mean() for k in range(3)])
    for k, n in enumerate(SIZES):  # E|i − j| of two uniform values is (n² − 1) / 3n steps of 1/(n − 1)
        assert apart[k] == pytest.approx((n + 1) / (3 * n), abs=0.01)
