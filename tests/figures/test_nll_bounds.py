import pytest
from helpers import FakeTrained

from vae_lab.figures.nll_bounds import NLLBounds
from vae_lab.scores import Scores

ROWS = [{"k": k, "nll": nll, "se": 0.5} for k, nll in ((1, 92.0), (10, 90.0), (5000, 88.25))]


def test_nothing_is_drawn_without_bounds():
    assert NLLBounds()(FakeTrained()) is None


def test_the_bounds_stand_over_the_logarithm_of_k_with_their_errors():
    scores = Scores({}, {"nll": {"images": 1000}}, {"nll_bounds": ROWS})
    figure = NLLBounds()(FakeTrained(scores=scores))
    (axes,) = figure.axes
    (line, _, (bars,)) = axes.containers[0]
    assert line.get_xydata().tolist() == [[1, 92], [10, 90], [5000, 88.25]]
    low, high = bars.get_segments()[0][:, 1]
    assert (low, high) == (pytest.approx(92 - 0.98), pytest.approx(92 + 0.98))
    assert axes.get_xscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("importance samples K", "bound (nats per image)")
    assert "88.25 ± 0.98 nats at K=5,000" in figure.get_suptitle()
