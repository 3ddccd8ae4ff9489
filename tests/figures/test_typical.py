import numpy as np
import pytest
from helpers import FakeTrained, bytes_of, labelled

from vae_lab.examples import Examples
from vae_lab.figures.typical import Typical
from vae_lab.scores import Scores


def row(index: int, **more) -> dict:
    return {"index": index, "recon": 3.14159, "rank": 1, "percentile": 5.0, **more}


def fake(x_shape=(1, 8, 8), labels: bool = True, **more) -> FakeTrained:
    images = labelled(12, x_shape)
    images = images if labels else Examples(images.stored, None)
    arrays = {
        "most_typical": [row(i, **more) for i in (7, 2, 9)],
        "least_typical": [row(i, **more) for i in (0, 11, 4)],
    }
    protocol = {"anomaly": {"images": 12, "score": "−ELBO", "recon_leaves_out": 36.6}}
    return FakeTrained(images, scores=Scores({}, protocol, arrays))


def test_nothing_is_drawn_without_the_metric():
    assert Typical()(FakeTrained()) is None


@pytest.mark.parametrize("x_shape", [(1, 8, 8), (3, 9, 11)])
def test_each_image_stands_over_its_reconstruction(x_shape):
    trained = fake(x_shape)
    height, width = x_shape[1:]
    clean = bytes_of(trained.data.test).float() / 255
    for axes, places in zip(Typical()(trained).axes, ((7, 2, 9), (0, 11, 4))):
        picture = np.asarray(axes.get_images()[0].get_array())
        for column, place in enumerate(places):
            left = 1 + column * (width + 1)
            image, made = (picture[1 + r * (height + 1) :, left : left + width][:height] for r in range(2))
            expected = clean[place].permute(1, 2, 0).expand(-1, -1, 3)
            np.testing.assert_allclose(image, expected, atol=1e-6)
            np.testing.assert_allclose(made, 1 - expected, atol=1e-6)


def test_values_stand_under_the_images_with_their_names():
    figure = Typical()(fake(label=2, elbo=-1.5, kl=2.0))
    assert [axes.get_title().split(",")[0] for axes in figure.axes] == ["most typical", "least typical"]
    for axes in figure.axes:
        names, *values = (text.get_text().splitlines() for text in axes.texts)
        assert names == ["label", "−ELBO", "recon", "KL"]
        assert values == [["class2", "1.50", "3.14", "2.00"]] * 3
    assert "12 test images by −ELBO (nats; −ELBO = recon + KL + 36.60)" in figure.get_suptitle()


def test_numbers_below_0_have_the_minus_of_the_axes():
    figure = Typical()(fake(label=2, elbo=1.5, kl=2.0))
    assert figure.axes[0].texts[1].get_text().splitlines()[1] == "\N{MINUS SIGN}1.50"


def test_without_labels_and_kl_recon_stands_alone():
    figure = Typical()(fake(labels=False))
    assert [text.get_text() for text in figure.axes[0].texts] == ["recon", "3.14", "3.14", "3.14"]
    assert "ELBO =" not in figure.get_suptitle()
