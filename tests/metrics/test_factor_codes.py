"""Tests of the behaviour that all five scores share, and of the sampling of factors."""

import math

import pytest
import torch
from factor_grids import NAMES, PERFECT, SIZES, noise, trained

from vae_lab.metrics.beta_vae_metric import BetaVAEMetric
from vae_lab.metrics.common.factor_codes import FactorCodes, factor_codes, in_parts
from vae_lab.metrics.dci import DCI
from vae_lab.metrics.factor_vae_score import FactorVAEScore
from vae_lab.metrics.mig import MIG
from vae_lab.metrics.sap import SAP
from vae_lab.noise import SeededNoise

METRICS = {
    "beta_vae_metric": BetaVAEMetric(200, 100, 8),
    "factor_vae_score": FactorVAEScore(200, 200, 100, 8),
    "mig": MIG(200, 5),
    "dci": DCI(200, 100, "forest"),
    "sap": SAP(200, 100),
}
ALL = pytest.mark.parametrize(("name", "metric"), METRICS.items(), ids=METRICS)


def grid() -> FactorCodes:
    return FactorCodes(PERFECT, SIZES, {})


def draws(key: int = 0) -> SeededNoise:
    return SeededNoise("cpu", key)


def test_codes_are_found_by_their_factors():
    every = torch.cartesian_prod(*(torch.arange(size) for size in SIZES))
    assert torch.equal(grid().at(every), PERFECT)
    assert torch.equal(grid().at(every.view(5, 12, 3)), PERFECT.view(5, 12, 3))


def test_factor_values_are_uniform_and_independent():
    drawn = grid().values(draws(), 60_000)
    place = (drawn * torch.tensor([20, 5, 1])).sum(1)
    counts = torch.bincount(place, minlength=60).double()
    assert len(counts) == 60
    assert ((counts - 1000) ** 2 / 1000).sum() < 103  # χ² with 59 degrees of freedom: p = 0.0003


def test_each_factor_is_chosen_equally_often():
    counts = torch.bincount(grid().which(draws(), 30_000), minlength=3).double()
    assert len(counts) == 3
    assert (counts - 10_000).abs().max() < 4 * math.sqrt(30_000 * 2 / 9)


@ALL
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_codes_that_are_not_finite_are_not_scored(name, metric, bad):
    codes = PERFECT.clone()
    codes[7, 1] = bad
    found = metric(trained(codes))
    assert found.values == {}
    assert found.notes == [f"No {name}: the codes hold NaN or infinite values."]


@ALL
def test_two_evaluations_agree(name, metric):
    assert metric(trained(noise())).values == metric(trained(noise())).values


@ALL
def test_every_number_has_a_meaning_and_a_protocol(name, metric):
    found = metric(trained(PERFECT))
    assert set(found.meanings) == set(found.values)
    assert all(0 <= value <= 1 for value in found.values.values())
    protocol = found.protocol[name]
    assert protocol["dataset"] == "a small grid"
    assert protocol["factors"] == dict(zip(NAMES, SIZES))
    assert protocol["software"].startswith("scikit-learn ")
    assert 200 in protocol.values()


@ALL
def test_one_latent_dimension_is_scored_too(name, metric):
    found = metric(trained(PERFECT[:, :1]))
    assert found.values
    assert all(math.isfinite(value) for value in found.values.values())


def test_a_collapsed_latent_space_is_reported():
    assert "unused" in factor_codes(trained(torch.full((60, 3), 2.5)), "mig")[1][0]
    assert factor_codes(trained(PERFECT), "mig")[1] == []


def test_points_are_drawn_a_few_hundred_at_a_time_and_in_a_row():
    asked = []

    def draw(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        points = sum(asked) + torch.arange(n)
        asked.append(n)
        return points, -points

    one, other = in_parts(draw, (1100, 500, 3), trained(PERFECT), "points")
    assert asked == [500, 500, 100, 500, 3]
    assert torch.equal(one, torch.arange(1603))
    assert torch.equal(other, -one)
