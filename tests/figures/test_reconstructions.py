import numpy as np
import pytest
import torch
from helpers import FakeTrained, labelled

from vae_lab.examples import Examples
from vae_lab.figures.reconstructions import Reconstructions


def picture(axes) -> np.ndarray:
    return np.asarray(axes.get_images()[0].get_array())


def cell(axes, row: int, column: int) -> np.ndarray:
    return picture(axes)[1 + 9 * row : 9 + 9 * row, 1 + 9 * column : 9 + 9 * column, 0]


def test_each_reconstruction_stands_below_its_image():
    figure = Reconstructions(columns=3, rows=2)(FakeTrained())
    assert len(figure.axes) == 2
    for axes in figure.axes:
        for column in range(3):
            np.testing.assert_allclose(cell(axes, 1, column), 1 - cell(axes, 0, column), atol=1e-6)


def test_classes_take_turns():
    images = labelled(12)
    images.targets = torch.tensor([0] * 4 + [1] * 4 + [2] * 4)
    axes = Reconstructions(columns=3, rows=1)(FakeTrained(images)).axes[0]
    found = [round(cell(axes, 0, column)[0, 0] * 255) for column in range(3)]
    assert found == [0, 4, 8]


@pytest.mark.parametrize(("n", "pairs"), [(12, 2), (4, 1), (1, 1), (7, 2)])
def test_fewer_images_make_fewer_rows(n, pairs):
    images = labelled(n)
    figure = Reconstructions(columns=5, rows=2)(FakeTrained(Examples(images.stored, None)))
    assert len(figure.axes) == pairs


def test_the_title_describes_the_images_and_the_run():
    figure = Reconstructions()(FakeTrained())
    assert figure.get_suptitle().splitlines()[0] == "Test images (upper rows) and reconstructions"
    assert "fake model, latent_dim=3" in figure.get_suptitle()


def test_colour_images_are_drawn_in_colour():
    figure = Reconstructions(columns=2, rows=1)(FakeTrained(labelled(4, (3, 8, 8))))
    shown = picture(figure.axes[0])[1:9, 1:9]
    assert not np.allclose(shown[..., 0], shown[..., 1])
