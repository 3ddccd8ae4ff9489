import numpy as np
import pytest
from helpers import FakeTrained, labelled

from vae_lab.figures.denoising import DenoisingCurves
from vae_lab.scores import Scores

ROWS = [
    {"sigma": s, "reconstruction": r, "input": i} for s, r, i in ((0, 0.02, 0), (0.2, 0.03, 0.04), (0.4, 0.05, 0.1))
]


def fake(x_shape=(1, 8, 8), start: float | None = 0.15, n: int = 12) -> FakeTrained:
    values = {"test/denoising_mse": 0.05, "test/denoising_input_mse": 0.1}
    values |= {} if start is None else {"test/denoising_from": start}
    scores = Scores(values, {"denoising": {"at": 0.4}}, {"denoising": ROWS})
    return FakeTrained(labelled(n, x_shape), scores=scores)


def test_nothing_is_drawn_without_the_metric():
    assert DenoisingCurves()(FakeTrained()) is None


def test_both_curves_and_where_they_cross():
    figure = DenoisingCurves()(fake())
    given, made, mark = figure.axes[0].get_lines()
    assert given.get_xydata().tolist() == [[0, 0], [0.2, 0.04], [0.4, 0.1]]
    assert made.get_xydata().tolist() == [[0, 0.02], [0.2, 0.03], [0.4, 0.05]]
    assert mark.get_xdata()[0] == 0.15
    assert given.get_linestyle() != made.get_linestyle()
    assert "σ" in figure.axes[0].get_xlabel()
    assert "per value" in figure.axes[0].get_ylabel()
    assert "0.0500 per value at noise σ=0.4, 0.1000 without" in figure.get_suptitle()
    assert "fake model" in figure.get_suptitle()


def test_no_mark_where_a_reconstruction_never_helps():
    assert len(DenoisingCurves()(fake(start=None)).axes[0].get_lines()) == 2


@pytest.mark.parametrize("x_shape", [(1, 8, 8), (3, 9, 11)])
def test_each_noised_image_stands_over_its_reconstruction(x_shape):
    trained = fake(x_shape)
    axes = DenoisingCurves(examples=2)(trained).axes[1]
    picture = np.asarray(axes.get_images()[0].get_array())
    height, width = x_shape[1:]
    assert picture.shape == (4 * (height + 1) + 1, 3 * (width + 1) + 1, 3)
    clean = next(trained.data.batches("test", size=2)).x
    for example in range(2):
        for column in range(3):
            top, left = 1 + 2 * example * (height + 1), 1 + column * (width + 1)
            noised = picture[top : top + height, left : left + width]
            below = picture[top + height + 1 :, left : left + width][:height]
            np.testing.assert_allclose(below, 1 - noised, atol=1e-6)
            if column == 0:
                expected = clean[example].permute(1, 2, 0).expand(-1, -1, 3)
                np.testing.assert_allclose(noised, expected, atol=1e-6)
    told = [text.get_text() for text in axes.texts]
    assert told == ["noisy", "decoded", "noisy", "decoded", "0", "0.2", "0.4"]


def test_fewer_images_than_examples_are_enough():
    DenoisingCurves(examples=5)(fake(n=1)).canvas.draw()
