import numpy as np
import pytest
import torch

from vae_lab.figures.style import class_colours, image_grid


def test_images_are_laid_row_by_row():
    images = torch.arange(5).view(5, 1, 1, 1).expand(5, 1, 2, 3) / 10
    grid = image_grid(images, columns=3)
    assert grid.shape == (2 * 3 + 1, 3 * 4 + 1, 3)
    corners = [(1, 1), (1, 5), (1, 9), (4, 1), (4, 5)]
    assert [grid[at].tolist() for at in corners] == [pytest.approx([i / 10] * 3) for i in range(5)]
    assert (grid[4:, 9:] == 1).all()


def test_gaps_keep_images_apart():
    grid = image_grid(torch.zeros(4, 1, 2, 2), columns=2, gap=2, background=0.5)
    assert grid.shape == (10, 10, 3)
    assert (grid == 0).sum() == 4 * 4 * 3
    assert (grid[:2] == 0.5).all()


def test_values_beyond_0_and_1_are_cut():
    grid = image_grid(torch.tensor([-3.0, 7.0]).view(2, 1, 1, 1), columns=2, gap=0)
    assert grid[0, :, 0].tolist() == [0, 1]


def test_colours_are_kept():
    grid = image_grid(torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1), columns=1, gap=0)
    np.testing.assert_allclose(grid[0, 0], [0.1, 0.2, 0.3], rtol=1e-6)


@pytest.mark.parametrize("n", [2, 10, 11, 40])
def test_no_two_classes_share_a_colour(n):
    assert len({str(colour) for colour in class_colours(n)}) == n
