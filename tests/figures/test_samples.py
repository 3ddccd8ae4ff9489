import numpy as np
import pytest
import torch
from helpers import FakeTrained, gen

from vae_lab.figures.samples import Samples, sample_figure


def test_the_first_draws_that_are_scored_are_shown():
    fake = FakeTrained()
    figure = Samples(columns=4, rows=2)(fake)
    shown = np.asarray(figure.axes[0].get_images()[0].get_array())
    (images,) = fake.sample(8)
    np.testing.assert_allclose(shown[1:9, 1:9, 0], images[0, 0], atol=1e-6)
    np.testing.assert_allclose(shown[10:18, 28:36, 0], images[7, 0], atol=1e-6)
    assert figure.get_suptitle().splitlines()[0] == "8 samples: prior, decoder means"
    assert "fake model, latent_dim=3" in figure.get_suptitle()


def test_no_more_are_shown_than_there_are():
    figure = Samples(columns=4, rows=2)(FakeTrained(available=5))
    assert figure.get_suptitle().startswith("5 samples")


@pytest.mark.parametrize(("n", "rows"), [(1, 1), (3, 1), (4, 2), (7, 3)])
def test_a_last_row_may_be_shorter(n, rows):
    figure = sample_figure(torch.rand(n, 1, 8, 8, generator=gen()), 3, "title", "prior")
    assert figure.axes[0].get_images()[0].get_array().shape == (9 * rows + 1, 28, 3)
