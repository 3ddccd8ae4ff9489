"""Tests of the changes between images and grids."""

import pytest
import torch
from torch import nn

from vae_lab.nets.grids import from_grid, grid_size, resized, to_grid


@pytest.mark.parametrize("image", [(28, 28), (32, 32), (7, 10)])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_an_image_becomes_a_grid_and_an_image_of_its_size_again(image, scale):
    grid = nn.Sequential(*to_grid(2, 5, image, scale))(torch.randn(3, 2, *image))
    assert tuple(grid.shape[2:]) == grid_size(image, scale)
    assert tuple(nn.Sequential(*from_grid(5, 2, image, scale))(grid).shape) == (3, 2, *image)


def test_a_smaller_grid_has_the_means_of_cells():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert resized(x, (2, 2)).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert resized(x, (1, 1)).item() == 7.5
    assert resized(x, (3, 3)).shape == (1, 1, 3, 3)  # cells overlap where the sizes do not divide
    assert resized(x, (4, 4)) is x


def test_a_larger_grid_repeats_the_nearest_places():
    x = torch.tensor([[[[1.0, 2.0]]]])
    assert resized(x, (2, 4)).tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2]]]]
