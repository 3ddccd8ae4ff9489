import math
import statistics

import pytest
import torch
from helpers import FakeTrained, labelled, random_batch, small_model, step

from vae_lab.examples import Examples
from vae_lab.likelihoods import MSE, Bernoulli, Gaussian, Sigma
from vae_lab.metrics.loss_terms import LossTermScores
from vae_lab.noise import SeededNoise
from vae_lab.objectives.autoencoder import Autoencoder
from vae_lab.objectives.elbo import ELBO
from vae_lab.objectives.factor_vae import FactorVAE
from vae_lab.objectives.intro_vae import IntroVAE
from vae_lab.objectives.soft_intro_vae import SoftIntroVAE
from vae_lab.schedules import Constant, Linear
from vae_lab.scores import differing_loss


def trained(likelihood=None, objective=None, images=None, size=1000) -> FakeTrained:
    model = small_model(likelihood or MSE()).eval().requires_grad_(False)
    fake = FakeTrained(images or labelled(12), model=model, objective=objective or ELBO(1, 1, 1, "B", Constant()))
    batches = fake.data.batches
    fake.data.batches = lambda split, **_: batches(split, size=size)
    return fake


def black_and_white(n: int = 12) -> Examples:
    images = labelled(n)
    return Examples((images.stored > 127).to(torch.uint8) * 255, images.targets, images.classes)


def test_batches_are_weighted_by_their_size():
    whole, cut = (LossTermScores()(trained(objective=Autoencoder(), size=size)).values for size in (12, 5))
    assert whole == pytest.approx(cut, rel=1e-5)


def test_terms_are_those_of_the_objective_on_the_test_images():
    fake = trained(objective=Autoencoder())
    x = torch.cat(list(fake.data.clean("test")))
    batch = random_batch()
    batch.x = batch.target = x
    assert LossTermScores()(fake).values["recon"] == pytest.approx(Autoencoder()(fake.model, batch, step()).loss.item())


def test_of_the_validation_split_they_are_the_same_terms_of_the_validation_images():
    fake = trained()
    fake.data.val = labelled(7)
    found = LossTermScores("val")(fake)
    swapped = trained(images=labelled(7))
    swapped.model = fake.model
    expected = LossTermScores()(swapped).values
    assert found.split == "val"
    assert found.values == pytest.approx({name: expected[name] for name in ("loss", "recon", "kl", "elbo")})
    assert (found.protocol["val_loss_terms"]["images"], found.protocol["val_loss_terms"]["split"]) == (7, "val")


@pytest.mark.parametrize("likelihood", [MSE(), Gaussian(0.3), Sigma(), Bernoulli()])
def test_elbo_is_minus_recon_less_its_offset_less_kl(likelihood):
    found = LossTermScores()(trained(likelihood, ELBO(0.5, 3, 1, "B", Constant())))
    offset = found.protocol["loss_terms"]["recon_leaves_out"]
    values = found.values
    assert values["elbo"] == pytest.approx(-values["recon"] - offset - values["kl"])
    assert values["loss"] == pytest.approx(0.5 * values["recon"] + 3 * values["kl"])
    assert values["rate"] == values["kl"]
    assert values["distortion"] == pytest.approx(-values["elbo"] - values["rate"])
    assert set(found.meanings) == set(values)


def test_images_keep_their_words():
    found = LossTermScores()(trained(Bernoulli(), images=black_and_white()))
    assert found.protocol["loss_terms"]["unit"] == "nats per image"
    assert found.meanings["recon"] == "−log p(x|z), nats per image"
    assert found.meanings["bits_per_dim"] == "−elbo in bits per value"
    found = LossTermScores()(trained(Sigma()))
    assert "nats per image" in found.meanings["recon"]
    assert found.meanings["sigma"] == "σ of p(x|z) as trained, mean over pixels, in units of the [0, 1] range"


def test_a_schedule_is_at_its_end():
    plain, scheduled = (
        LossTermScores()(trained(objective=ELBO(1, 4, 1, "B", s))).values for s in (Constant(), Linear(10))
    )
    assert plain == scheduled


def test_scores_repeat_themselves():
    assert LossTermScores()(trained()).values == LossTermScores()(trained()).values


def test_several_draws_give_the_mean_with_the_interval_of_the_mean():
    fake = trained(likelihood=Gaussian(0.3))
    fake.noise = lambda purpose: SeededNoise("cpu", purpose)
    found = LossTermScores("val", draws=4)(fake)
    singles = []
    for purpose in ("loss_terms", "loss_terms 1", "loss_terms 2", "loss_terms 3"):
        fake.noise = lambda _, purpose=purpose: SeededNoise("cpu", purpose)
        singles.append(LossTermScores("val")(fake).values["elbo"])
    mean, sd = statistics.fmean(singles), statistics.stdev(singles)
    half = 3.182446 * sd / 2  # the 97.5 % quantile of Student's t with 3 degrees of freedom
    assert found.values["elbo"] == pytest.approx(mean)
    assert found.intervals["elbo"] == pytest.approx((mean - half, mean + half))
    assert "kl" not in found.intervals  # in closed form: every draw has the same
    assert found.protocol["val_loss_terms"]["draws"] == 4
    assert "4 draws" in found.protocol["val_loss_terms"]["interval"]


def test_a_single_draw_has_no_interval_and_an_autoencoder_is_scored_once():
    assert LossTermScores()(trained()).intervals == {}
    found = LossTermScores(draws=5)(trained(objective=Autoencoder()))
    assert (found.intervals, found.protocol["loss_terms"]["draws"]) == ({}, 1)


def test_bits_per_dim_of_binary_images_are_the_elbo_in_bits_per_value():
    found = LossTermScores()(trained(Bernoulli(), images=black_and_white()))
    assert found.values["bits_per_dim"] == pytest.approx(-found.values["elbo"] / 64 / math.log(2))
    assert found.protocol["loss_terms"]["elbo_is_a_likelihood_bound"] is True
    assert found.notes == []


def test_bernoulli_on_grey_levels_is_called_a_loss():
    found = LossTermScores()(trained(Bernoulli()))
    assert "bits_per_dim" not in found.values
    assert found.protocol["loss_terms"]["elbo_is_a_likelihood_bound"] is False
    assert "dataset.binarize=dynamic" in found.notes[0]


def test_densities_have_no_bits_per_dim():
    found = LossTermScores()(trained(Gaussian(0.3), images=black_and_white()))
    assert "bits_per_dim" not in found.values
    assert found.notes == []


def test_an_autoencoder_has_neither_kl_nor_elbo():
    found = LossTermScores()(trained(objective=Autoencoder()))
    assert set(found.values) == {"loss", "recon"}
    assert found.protocol["loss_terms"]["elbo_is_a_likelihood_bound"] is False


def factor_vae() -> FactorVAE:
    return FactorVAE(1, 1, 6, 3, 8, 1, 1, Constant(), torch.optim.SGD)


@pytest.mark.parametrize(
    ("likelihood", "objective", "meaning"),
    [
        (MSE(), None, "the loss of training, nats per image"),
        (Sigma(), None, "the loss of training with the running σ, nats per image"),
        (MSE(), factor_vae(), "the loss of training without γ · tc, nats per image"),
        (Sigma(), factor_vae(), "the loss of training with the running σ and without γ · tc, nats per image"),
    ],
)
def test_the_meaning_of_the_loss_says_how_it_differs_from_the_one_that_is_minimised(likelihood, objective, meaning):
    fake = trained(likelihood, objective)
    assert differing_loss(fake) in meaning
    assert LossTermScores()(fake).meanings["loss"] == meaning


@pytest.mark.parametrize(("likelihood", "meaning"), [
    (MSE(), "with the likelihood's constant, nats per image, higher is better"),
    (Bernoulli(), "−recon − kl, nats per image, higher is better"),
])  # fmt: skip
@pytest.mark.parametrize("objective", [SoftIntroVAE(1, 1, 4, 0.5, 0), IntroVAE(1, 1, 10, 0.5, 0)])
def test_elbo_of_an_introspective_objective_is_explained_as_it_is_computed(objective, likelihood, meaning):
    found = LossTermScores()(trained(likelihood, objective, black_and_white()))
    offset = found.protocol["loss_terms"]["recon_leaves_out"]
    assert found.values["elbo"] == pytest.approx(-found.values["recon"] - offset - found.values["kl"], abs=1e-3)
    assert (offset > 0) is isinstance(likelihood, MSE)
    assert found.meanings["elbo"] == meaning
