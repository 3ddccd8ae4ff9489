from types import SimpleNamespace

import torch
from helpers import FakeTrained

from vae_lab.figures.kl_of_images import KLOfImages

ROW = {"val/kl": 10.0, "val/kl_reconstructions": 12.0, "val/kl_samples": 20.0}


def draw(*rows):
    return KLOfImages()(FakeTrained(history=[{"epoch": i, **row} for i, row in enumerate(rows, 1)]))


def test_each_kind_of_image_has_a_curve_of_its_own():
    (axes,) = draw(ROW, {name: 2 * value for name, value in ROW.items()}).axes
    curves = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert curves == {"real": [10, 20], "reconstructed": [12, 24], "drawn from the prior": [20, 40]}
    assert [list(line.get_xdata()) for line in axes.get_lines()] == [[1, 2]] * 3
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "KL (nats per image)")
    assert axes.get_yscale() == "linear"


def test_values_over_several_decades_have_a_logarithmic_axis():
    assert draw(ROW, ROW | {"val/kl_samples": 5000.0}).axes[0].get_yscale() == "log"


def test_nothing_is_drawn_before_the_first_epoch():
    assert KLOfImages()(FakeTrained()) is None


def test_it_needs_an_objective_that_trains_on_decoded_images():
    from vae_lab.evaluation.needs import missing

    assert missing(KLOfImages(), FakeTrained())[0] == "introspective"
    assert missing(KLOfImages(), FakeTrained(objective=SimpleNamespace(introspective=True))) is None


def test_the_end_of_the_epochs_as_a_vae_is_marked():
    history = [{"epoch": i, **ROW} for i in (1, 2, 3)]
    objective = SimpleNamespace(introspective=True, vae_epochs=torch.tensor(2.0))
    (axes,) = KLOfImages()(FakeTrained(history=history, objective=objective)).axes
    *_, mark = axes.get_lines()
    assert list(mark.get_xdata()) == [2, 2]
    assert mark.get_label() == "end of the epochs as a VAE"
    assert mark.get_label() in [text.get_text() for text in axes.get_legend().get_texts()]
