import numpy as np
import pytest
from helpers import FakeTrained

from vae_lab.figures.ood_roc import OODROC
from vae_lab.scores import Scores


def fake(*kinds: str, by=("elbo", "recon", "kl")) -> FakeTrained:
    curve = np.linspace(0, 1, 101) ** 0.5
    panels = [{"kind": kind, "found": {name: curve.tolist() for name in by}} for kind in kinds]
    values = {f"test/ood_auroc_{kind}_{name}": 2 / 3 for kind in kinds for name in by}
    return FakeTrained(scores=Scores(values, {"ood": {"images": 1234}}, {"ood_roc": panels}))


def test_nothing_is_drawn_without_the_metric():
    assert OODROC()(FakeTrained()) is None


def test_each_kind_has_a_panel_and_each_score_a_curve():
    figure = OODROC()(fake("uniform", "rotated", "fashion_mnist"))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["uniform noise", "test images turned by 180°", "fashion_mnist"]
    for axes in figure.axes:
        *curves, chance = axes.get_lines()
        assert [line.get_label() for line in curves] == ["−ELBO: 0.667", "recon: 0.667", "KL: 0.667"]
        assert len({line.get_linestyle() for line in axes.get_lines()}) == 4
        assert chance.get_xydata().tolist() == [[0, 0], [100, 100]]
        assert curves[0].get_xdata()[[0, 25, 100]].tolist() == [0, 25, 100]
        assert curves[0].get_ydata()[25] == pytest.approx(50)
        assert "%" in axes.get_xlabel()
    assert "%" in figure.axes[0].get_ylabel()
    assert "1,234 of each kind against 1,234 test images" in figure.get_suptitle().replace("\n", " ")
    assert "fake model" in figure.get_suptitle()
    figure.canvas.draw()


def test_an_autoencoder_has_one_curve():
    (axes,) = OODROC()(fake("uniform", by=("recon",))).axes
    assert [line.get_label() for line in axes.get_lines()] == ["recon: 0.667", "chance: 0.5"]
