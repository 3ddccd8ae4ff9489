"""Tests of generated examples: temperatures of all levels and of single levels."""

import pytest
import torch
from helpers import small_model

from vae_lab.errors import UserError
from vae_lab.evaluation.draws import decoded_draws, drawn_latents, temperatures
from vae_lab.likelihoods import Bernoulli
from vae_lab.models.hierarchical import Hierarchical
from vae_lab.models.ladder import Ladder
from vae_lab.models.vdvae import VDVAE
from vae_lab.nets.bottleneck import Bottlenecks
from vae_lab.nets.dense_levels import DenseLevels
from vae_lab.noise import NoNoise, NotedNoise, SeededNoise, Tempered

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def ladder() -> Ladder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Ladder(DenseLevels([16, 12, 8], norm="none"), Bernoulli(), (1, 8, 8), [5, 3, 2]).eval()


def draws(model, *temperature, n=6):
    (images,) = decoded_draws(model, n, CPU, 0, "test", n, temperature=temperature)
    return images


def test_a_temperature_scales_normal_draws_and_no_uniform_ones():
    noise, scaled = SeededNoise("cpu", 0), Tempered(SeededNoise("cpu", 0), 0.5)
    torch.testing.assert_close(scaled.normal(100), 0.5 * noise.normal(100))
    assert torch.equal(scaled.uniform(5), noise.uniform(5))


def test_temperature_one_is_the_prior_and_zero_its_mean(ladder):
    key = (0, "evaluation", "test", 0)
    drawn = ladder.prior_sample(6, None, SeededNoise("cpu", *key))
    torch.testing.assert_close(draws(ladder, 1.0), ladder.likelihood.mean(ladder.decode(drawn, None))[0])
    means = ladder.prior_sample(6, None, NoNoise(SeededNoise("cpu", *key)))
    torch.testing.assert_close(draws(ladder, 0.0), ladder.likelihood.mean(ladder.decode(means, None))[0])


def test_a_temperature_of_one_level_leaves_the_other_levels_random(ladder):
    """With the top level at its mean, the levels below still differ; with all but the top at 0, only the top does."""
    below, top = draws(ladder, 0.0, 1.0, 1.0), draws(ladder, 1.0, 0.0, 0.0)
    assert below.std(0).max() > 0
    assert top.std(0).max() > 0
    same = draws(ladder, 0.0, 0.0, 0.0)
    torch.testing.assert_close(same, draws(ladder, 0.0))
    torch.testing.assert_close(same[0], same[1])


GRIDS = {"scales": [2, 4], "blocks": [1, 2], "latent_dims": [2, 3]}
HIERARCHIES = {
    "ladder": lambda: Ladder(DenseLevels([16, 12, 8], norm="none"), Bernoulli(), (1, 8, 8), [5, 3, 2]),
    "hierarchical": lambda: Hierarchical(DenseLevels([16, 12, 8], norm="none"), Bernoulli(), (1, 8, 8), [5, 3, 2]),
    "vdvae": lambda: VDVAE(Bottlenecks(width=8, middle=4), Bernoulli(), (1, 8, 8), **GRIDS),
}


@pytest.mark.parametrize("name", HIERARCHIES)
@pytest.mark.parametrize("temperature", [0.7, 1.0, 0.0])
def test_equal_temperatures_of_all_levels_are_one_temperature(name, temperature):
    model = HIERARCHIES[name]().eval()
    assert torch.equal(draws(model, *[temperature] * 3), draws(model, temperature))


@pytest.mark.parametrize("name", HIERARCHIES)
def test_each_level_has_its_temperature_in_one_pass(name):
    model = HIERARCHIES[name]().eval()
    noise = NotedNoise(SeededNoise("cpu", 0))
    with torch.inference_mode():
        z = drawn_latents(model, 4, None, noise, temperature=[0.5, 0.0, 2.0])
        usual = model.prior_sample(4, None, SeededNoise("cpu", 0))
        again = drawn_latents(model, 4, None, SeededNoise("cpu", 0), top=z[:2], temperature=[9.0, 9.0, 0.0])
        means = model.prior_sample(4, None, NoNoise(SeededNoise("cpu", 0)), z[:2])
    assert noise.asked == [("normal", (1, 4, *shape)) for shape in model.latent_shapes]  # one pass
    if name != "vdvae":  # whose prior of the top is learnt
        torch.testing.assert_close(z[0], 0.5 * usual[0])
    assert torch.equal(again[2], means[2])  # given levels have used up their temperatures


def test_the_temperature_of_a_single_level_scales_its_codes():
    model = small_model(latent_dim=3).eval()
    z = 0.5 * SeededNoise("cpu", 0, "evaluation", "test", 0).normal(1, 6, 3)
    torch.testing.assert_close(draws(model, 0.5), model.likelihood.mean(model.decode((z,), None))[0])


def test_the_number_of_temperatures_is_that_of_the_levels(ladder):
    assert temperatures(ladder, 0.7) == [0.7]
    assert temperatures(ladder, [1, 0.5, 0.2]) == [1.0, 0.5, 0.2]
    with pytest.raises(UserError, match="temperature has 2 entries, and this model has 3 levels"):
        temperatures(ladder, [1, 2])
