from types import SimpleNamespace

from helpers import FakeTrained

from vae_lab.figures.curves import Curves
from vae_lab.likelihoods import Sigma


def row(epoch: int, *names: str) -> dict[str, float]:
    return {"epoch": epoch} | {f"{split}/{n}": epoch + 0.5 for split in ("train", "val") for n in names}


def draw(*names: str, epochs: int = 3):
    return Curves()(FakeTrained(history=[row(e, *names) for e in range(1, epochs + 1)]))


def test_nothing_is_drawn_before_the_first_epoch():
    assert Curves()(FakeTrained()) is None


def test_each_term_has_a_panel_with_both_splits():
    figure = draw("loss", "recon", "kl", "elbo")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "reconstruction", "KL"]
    for axes in figure.axes:
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "nats per image")
        assert [line.get_label() for line in axes.get_lines()] == ["train", "val"]


def test_further_terms_have_panels_but_those_of_single_levels_have_none():
    figure = draw("commitment", "loss", "recon", "kl_level1", "kl", "elbo", "kl_samples")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["loss", "reconstruction", "KL", "commitment", "kl samples"]
    assert [axes.get_ylabel() for axes in figure.axes][2:4] == ["nats per image", "value of the term"]
    assert len({round(axes.get_position().y0, 3) for axes in figure.axes}) == 2  # rows


def test_a_curve_beneath_another_stays_visible():
    train, val = draw("kl").axes[0].get_lines()
    assert (train.get_fillstyle(), val.get_fillstyle()) == ("full", "none")


def test_the_title_of_the_loss_says_how_it_differs_from_the_one_that_is_minimised():
    fake = FakeTrained(history=[row(1, "loss", "recon", "kl")])
    fake.model = SimpleNamespace(likelihood=Sigma())
    assert Curves()(fake).axes[0].get_title() == "loss with the running σ"


def test_an_autoencoder_has_no_panel_for_kl():
    assert len(draw("loss", "recon").axes) == 2


def test_epochs_are_counted_from_1():
    (line, _) = draw("loss").axes[0].get_lines()
    assert list(line.get_xdata()) == [1, 2, 3]
    assert list(line.get_ydata()) == [1.5, 2.5, 3.5]


def test_the_run_is_named_above():
    assert "fake model, latent_dim=3" in draw("loss").get_suptitle()
