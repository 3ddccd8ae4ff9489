import pytest
import torch
from factor_grids import DISGUISED, DOUBLED, PERFECT, WITH_UNUSED, noise, rotated, trained

from vae_lab.metrics.factor_vae_score import FactorVAEScore, majority_accuracy


def scores(codes: torch.Tensor, **options):
    return FactorVAEScore(1000, 600, 300, 32, **options)(trained(codes))


def score(codes: torch.Tensor, **options) -> float:
    return scores(codes, **options).values["factor_vae_score"]


@pytest.mark.parametrize("codes", [PERFECT, DISGUISED, WITH_UNUSED, DOUBLED])
def test_a_separate_dimension_for_each_factor_is_always_right(codes):
    assert score(codes) == 1


def test_two_factors_that_share_a_dimension_cannot_be_distinguished():
    a, b, c = (PERFECT - PERFECT.mean(0)).T / PERFECT.std(0)[:, None]
    assert score(torch.stack([a, b + c], 1)) == pytest.approx(2 / 3, abs=0.06)
    assert score((a + b + c).unsqueeze(1)) == pytest.approx(1 / 3, abs=0.06)


def test_noise_is_near_chance():
    assert score(noise()) < 0.6


def test_votes_do_not_depend_on_the_scale_of_a_dimension():
    codes = rotated()
    assert score(codes) == pytest.approx(score(codes * torch.tensor([10.0, 1.0, 3.0])), abs=0.01)


def test_dead_dimensions_have_no_votes():
    dead = torch.cat([PERFECT, 0.01 * noise(1)], 1)
    assert scores(dead).protocol["factor_vae_score"]["live_dimensions"] == 3
    assert scores(dead, dead=0.0).protocol["factor_vae_score"]["live_dimensions"] == 4
    assert scores(WITH_UNUSED, dead=0.0).protocol["factor_vae_score"]["live_dimensions"] == 3  # 0/0 is no vote


def test_without_a_live_dimension_there_is_a_note():
    found = scores(0.01 * PERFECT)
    assert found.values == {}
    assert "no latent dimension has a standard deviation of 0.05" in found.notes[0]


def test_the_classifier_is_the_majority_of_the_training_votes():
    code = torch.tensor([0, 0, 0, 1, 1, 2, 0, 0, 1, 2, 3])
    factor = torch.tensor([1, 1, 0, 2, 2, 0, 1, 0, 2, 1, 0])
    assert majority_accuracy(code, factor, 6, 3) == 3 / 5  # a code without votes goes to the first factor
