import numpy as np
import pytest
import torch
from helpers import FakeTrained, labelled
from matplotlib.lines import Line2D

from vae_lab.figures.noise_to_digit import NoiseToDigit
from vae_lab.scores import Scores


class Half(FakeTrained):
    """Each pass halves the image."""

    def reconstruct(self, x, y=None):
        return x / 2


class Reader:
    """Sure of class 1 where an image is bright, of class 2 where it is dark."""

    def __call__(self, x):
        bright = (x.flatten(1).mean(1) > 0.22).float()
        return x, torch.stack([torch.zeros_like(bright), 9 * bright, 9 * (1 - bright)], 1)


def fake(x_shape=(1, 8, 8), **given) -> Half:
    protocol = {"ood": {"gaussian": {"mean": 0.4, "sigma": 0.01}}}
    return Half(labelled(12, x_shape), scores=Scores({}, protocol, {"ood_roc": []}), **given)


def rows(figure) -> list[np.ndarray]:
    return [np.asarray(axes.get_images()[0].get_array()) for axes in figure.axes]


def test_nothing_is_drawn_without_the_metric():
    assert NoiseToDigit()(FakeTrained()) is None


@pytest.mark.parametrize("x_shape", [(1, 8, 8), (3, 9, 11)])
def test_each_row_is_the_noise_after_so_many_passes(x_shape):
    figure = NoiseToDigit(columns=2, steps=[3, 1])(fake(x_shape))
    noise, once, thrice = (row[1 : 1 + x_shape[1], 1 : 1 + x_shape[2]] for row in rows(figure))
    np.testing.assert_allclose(once, noise / 2, atol=1e-6)
    np.testing.assert_allclose(thrice, noise / 8, atol=1e-6)
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["noise", "1 pass", "3 passes"]


def test_uniform_noise_stands_left_and_gaussian_noise_right():
    picture = rows(NoiseToDigit(columns=2)(fake()))[0]
    gap = picture.shape[1] - (4 * 9 + 1)
    assert gap > 0
    assert (picture[:, 2 * 9 + 1 : 2 * 9 + 1 + gap] == 1).all()
    tiles = [picture[1:9, 1 + 9 * column + (gap if column > 1 else 0) :][:, :8, 0] for column in range(4)]
    assert [tile.std() > 0.2 for tile in tiles] == [True, True, False, False]
    assert [tile.mean() for tile in tiles[2:]] == pytest.approx([0.4, 0.4], abs=0.01)


def test_the_classifiers_reading_stands_under_the_output():
    figure = NoiseToDigit(columns=1, steps=[1, 2])(fake(classifier=Reader()))
    told = [[text.get_text() for text in axes.texts[1:3]] for axes in figure.axes[1:]]
    assert told == [["class1 (100 %)", "class2 (100 %)"], ["class2 (100 %)", "class2 (100 %)"]]
    assert "classifier" in figure.axes[-1].texts[-1].get_text()


def test_without_a_classifier_nothing_is_read():
    figure = NoiseToDigit(columns=1, steps=[1])(fake())
    assert {text.get_text() for text in figure.axes[1].texts} == {"1 pass"}


def test_lines_divide_the_kinds_of_noise_and_the_noise_from_the_outputs():
    figure = NoiseToDigit(columns=2, steps=[1, 2])(fake())
    upright, flat = (line.get_xydata() for line in [part for part in figure.get_children() if isinstance(part, Line2D)])
    noise, *outputs = (axes.get_position() for axes in figure.axes)
    assert upright[:, 0].tolist() == [pytest.approx((noise.x0 + noise.x1) / 2)] * 2
    assert (upright[:, 1].min(), upright[:, 1].max()) == (outputs[-1].y0, noise.y1)
    assert outputs[0].y1 < flat[0, 1] < noise.y0
    assert [text.get_text() for text in figure.axes[0].texts] == ["noise", "uniform noise", "Gaussian noise"]


def test_the_same_noise_comes_each_time():
    first, again = (rows(NoiseToDigit()(fake())) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
