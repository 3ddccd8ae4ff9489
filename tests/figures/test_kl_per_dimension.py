from types import SimpleNamespace

import pytest
from helpers import FakeTrained

from vae_lab.figures.kl_per_dimension import KLPerDimension
from vae_lab.scores import Scores


def draw(kl, variance):
    arrays = {"kl_per_dim": kl, "mean_variance_per_dim": variance}
    return KLPerDimension()(FakeTrained(scores=Scores({}, {"latent_use": {"threshold": 0.01}}, arrays)))


def test_nothing_is_drawn_without_kl():
    assert KLPerDimension()(FakeTrained()) is None
    assert draw([], []) is None


def test_dimensions_are_sorted_by_kl_and_coloured_by_activity():
    figure = draw([0.5, 3.0, 0.1, 2.0], [0.5, 1.0, 0.001, 0.9])
    (axes,) = figure.axes
    active, inactive = axes.containers
    assert [bar.get_height() for bar in active] == [3.0, 2.0, 0.5]
    assert [bar.get_height() for bar in inactive] == [0.1]
    assert [bar.get_x() + bar.get_width() / 2 for bar in inactive] == [pytest.approx(3)]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "3", "0", "2"]  # their indices in z
    assert figure.get_suptitle().splitlines()[0] == "KL per latent dimension: 5.6 nats in all, 3 of 4 units active"


def test_axes_are_named():
    (axes,) = draw([1.0], [1.0]).axes
    assert axes.get_xlabel() == "latent dimension: index in z, from 0"
    assert axes.get_ylabel() == "KL (nats per image)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["active (variance of mean > 0.01)"]


def test_of_many_dimensions_some_are_named_by_their_index():
    kl = [float(i) for i in range(100)]
    (axes,) = draw(kl, [1.0] * 100).axes
    places, labels = axes.get_xticks(), [label.get_text() for label in axes.get_xticklabels()]
    assert len(labels) <= 32
    assert [99 - int(place) for place in places] == [int(label) for label in labels]  # the largest KL is the last one's
    assert axes.get_xlabel().endswith("\n(one in 4 is named)")


def drawn_hierarchy(*sizes: int):
    kl = [0.04, 0.5, -0.3, 0.4, 0.002, *[0.1] * (sum(sizes) - 5)]
    arrays = {"kl_per_dim": kl, "mean_variance_per_dim": [0.001, 0.9], "active_per_dim": [False, True, *[
        value > 0.01 for value in kl[2:]]]}  # fmt: skip
    scores = Scores({}, {"latent_use": {"threshold": 0.01}}, arrays)
    return KLPerDimension()(FakeTrained(scores=scores, model=SimpleNamespace(latent_shapes=[(n,) for n in sizes])))


def test_each_level_of_a_hierarchy_has_a_panel_with_its_own_rule():
    top, below = drawn_hierarchy(2, 3).axes
    assert top.get_title() == "level 2 (top): 0.54 nats, 1 of 2 units active"
    assert below.get_title() == "level 1: 0.10 nats, 1 of 3 units active"
    assert [bar.get_height() for bars in top.containers for bar in bars] == [0.5, 0.04]
    assert [bar.get_height() for bars in below.containers for bar in bars] == [0.4, 0.002, -0.3]
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in (top, below)]
    assert legends == [["active (variance of mean > 0.01)", "inactive (variance of mean ≤ 0.01)"],
                       ["active (KL > 0.01 nats)", "inactive (KL ≤ 0.01 nats)"]]  # fmt: skip
    assert top.get_ylim() == below.get_ylim()
    assert len(drawn_hierarchy(2, 2, 1, 4, 6).axes) == 5


def test_an_estimate_below_zero_is_within_the_axis():
    top, below = drawn_hierarchy(2, 3).axes
    assert below.get_ylim()[0] < -0.3
    assert "below 0" in below.get_xlabel()
    assert "below 0" not in top.get_xlabel()
    assert draw([1.0, 0.5], [1.0, 1.0]).axes[0].get_ylim() == (0, pytest.approx(1.3))


def test_a_dimension_of_a_grid_is_named_by_its_channel_and_place():
    kl = [0.1 * i for i in range(8)]
    arrays = {"kl_per_dim": kl, "mean_variance_per_dim": kl}
    scores = Scores({}, {"latent_use": {"threshold": 0.01}}, arrays)
    model = SimpleNamespace(latent_shapes=[(2, 1, 4)])
    (axes,) = KLPerDimension()(FakeTrained(scores=scores, model=model)).axes
    assert [label.get_text() for label in axes.get_xticklabels()][:5] == ["1:0,3", "1:0,2", "1:0,1", "1:0,0", "0:0,3"]
    assert axes.get_xlabel() == "latent dimension: channel:row,column, from 0"
