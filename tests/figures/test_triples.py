from types import SimpleNamespace

import numpy as np
import torch
from helpers import FakeTrained

from vae_lab.figures.triples import Triples
from vae_lab.types import Latents


def infer(x, y, k, noise):
    """A KL that is 1,000 times the mean of the image, in two dimensions."""
    kl = 500 * x.flatten(1).mean(1)
    return Latents((torch.zeros(1, len(x), 2),), (torch.stack([kl, kl], -1)[None],), (None,))


def test_the_rows_are_real_images_their_reconstructions_and_draws_each_with_its_kl():
    trained = FakeTrained(model=SimpleNamespace(infer=infer, conditional=False))
    figure = Triples(columns=4)(trained)
    assert len(figure.axes) == 3
    x = torch.cat([batch.x for batch in trained.data.batches("test")])
    drawn = next(iter(trained.sample(4)))
    for axes, name, images in zip(figure.axes, ("real", "reconstructed", "drawn"), (None, None, drawn)):
        texts = [text.get_text() for text in axes.texts]
        assert texts[0] == name
        grid = np.asarray(axes.get_images()[0].get_array())[..., 0]
        shown = [grid[1:9, 1 + 9 * i : 9 + 9 * i] for i in range(4)]
        assert texts[1:] == [f"{1000 * picture.mean():.0f}" for picture in shown]
        if images is not None:
            np.testing.assert_allclose(shown[0], images[0, 0], atol=1e-6)
    real, reconstructed = (np.asarray(axes.get_images()[0].get_array())[1:9, 1:9, 0] for axes in figure.axes[:2])
    np.testing.assert_allclose(reconstructed, 1 - real, atol=1e-6)
    assert any(np.allclose(real, image[0]) for image in x.numpy())
