from types import SimpleNamespace

import numpy as np
import torch
from helpers import FakeTrained, labelled

from vae_lab.figures.class_samples import ClassSamples


class Greys(FakeTrained):
    """Image i of a class is of the grey 0.1 · i + 0.05 · class."""

    model = SimpleNamespace(conditional=True)

    def sample(self, n, purpose="samples", size=1000, y=None):
        grey = 0.1 * torch.arange(n) + 0.05 * y
        yield grey.view(-1, 1, 1, 1).expand(-1, 1, 8, 8)


def picture(figure):
    return np.asarray(figure.axes[0].get_images()[0].get_array())[5::9, 5::9, 0]


def test_rows_are_classes_and_a_column_has_one_z():
    figure = ClassSamples(columns=4)(Greys(labelled(12)))
    np.testing.assert_allclose(picture(figure), [[0.1 * z + 0.05 * c for z in range(4)] for c in range(3)], atol=1e-6)
    assert [text.get_text() for text in figure.axes[0].texts] == ["class0", "class1", "class2"]
    heights = [text.xy[1] for text in figure.axes[0].texts]
    assert heights == [4.5, 13.5, 22.5]  # the middle of each row
    assert "the same noise in each column" in figure.get_suptitle()
    assert "fake model" in figure.get_suptitle()


def test_no_more_classes_are_shown_than_asked_for():
    assert picture(ClassSamples(columns=2, rows=2)(Greys(labelled(12)))).shape == (2, 2)


def test_nothing_is_drawn_without_classes():
    fake = Greys(labelled(12))
    fake.data.classes = ()
    assert ClassSamples()(fake) is None
