import numpy as np
import pytest
import torch
from helpers import FakeTrained, bytes_of, labelled

from vae_lab.figures.neighbours import Neighbours, nearest_in_pixels


@pytest.mark.parametrize("size", [7, 100])
def test_the_nearest_images_are_those_of_all_distances(size):
    train = torch.rand(30, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    samples = torch.rand(5, 2, 3, 4, generator=torch.Generator().manual_seed(1))
    expected = torch.cdist(samples.flatten(1), train.flatten(1)).argsort(1)[:, :3]
    assert torch.equal(nearest_in_pixels(samples, train.split(size), 3), train[expected])


def test_fewer_images_than_neighbours():
    train = torch.rand(2, 1, 2, 2)
    assert nearest_in_pixels(torch.rand(3, 1, 2, 2), train.split(1), 5).shape == (3, 2, 1, 2, 2)


def test_a_copy_stands_above_its_original():
    made = FakeTrained(labelled(12))
    made.data.train = labelled(20, seed=5)
    train = bytes_of(made.data.train).float() / 255
    made.sample = lambda n, *_: iter([train[[4, 9]][:n]])
    figure = Neighbours(columns=2, nearest=2)(made)
    picture = np.asarray(figure.axes[0].get_images()[0].get_array())[..., 0]
    size = train.shape[-1]
    rows = [picture[1 + row * (size + 1) :][:size, 1 : 1 + size] for row in range(3)]
    np.testing.assert_allclose(rows[0], train[4, 0], atol=1e-6)
    np.testing.assert_allclose(rows[1], train[4, 0], atol=1e-6)
    assert not np.allclose(rows[2], train[4, 0], atol=1e-3)
    assert [text.get_text() for text in figure.axes[0].texts] == ["sample", "nearest", "2."]
    assert "among 20 training images" in figure.get_suptitle()
