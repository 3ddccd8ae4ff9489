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
    assert [bar.get_x() + bar.get_width() / 2 for bar in inactive] == [pytest.approx(4)]
    assert figure.get_suptitle().splitlines()[0] == "KL per latent dimension: 5.6 nats in all, 3 of 4 units active"


def test_axes_are_named():
    (axes,) = draw([1.0], [1.0]).axes
    assert axes.get_xlabel() == "latent dimension, by KL"
    assert axes.get_ylabel() == "KL (nats per image)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["active"]
