import pytest
from helpers import FakeTrained

from vae_lab.figures.label_shares import LabelShares
from vae_lab.scores import Scores


def test_nothing_is_drawn_without_a_label_distribution():
    assert LabelShares()(FakeTrained()) is None


def test_both_distributions_stand_side_by_side_in_percent():
    arrays = {"labels_real": [0.2, 0.3, 0.5], "labels_generated": [0.0, 0.25, 0.75]}
    figure = LabelShares()(FakeTrained(scores=Scores({"test/label_distance": 0.25}, {}, arrays)))
    (axes,) = figure.axes
    real, generated = ([bar.get_height() for bar in group] for group in axes.containers)
    assert real == pytest.approx([20, 30, 50])
    assert generated == pytest.approx([0, 25, 75])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["class0", "class1", "class2"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("label", "share (%)")
    assert "0.250" in figure.get_suptitle()
