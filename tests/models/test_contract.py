"""Tests of the interface of a model, on every option of ``conf/model`` and on stand-ins of other structures.

:mod:`test_contract_of_runs` takes the same models through the whole program.
"""

import math
from dataclasses import dataclass

import pytest
import torch
from contract import DISCRETE, OTHERS, OWN, SEVERAL, noise, words_of
from helpers import gen, step
from omegaconf import OmegaConf

from vae_lab.config.composing import composer
from vae_lab.config.help import groups
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError
from vae_lab.evaluation.draws import decoded_draws
from vae_lab.evaluation.trained import Evaluation
from vae_lab.inference import at_the_means, has_means
from vae_lab.metrics.common.image_terms import image_terms
from vae_lab.noise import NotedNoise
from vae_lab.runs.build import make_data, make_job
from vae_lab.types import Batch, Model

_COMPARES = "compares real codes with the prior, and those of this model are discrete; type objective=elbo"
NO_DISCRETE_CODES = {
    "beta_tcvae": DISCRETE,
    "dip_vae_i": DISCRETE,
    "dip_vae_ii": DISCRETE,
    "info_vae": _COMPARES,
    "intro_vae": "objective=intro_vae needs real codes",
    "soft_intro_vae": "objective=soft_intro_vae needs real codes",
    "iwae": "needs the densities of the latents, which this model does not have",
    "wae": _COMPARES,
}


@dataclass
class Made:
    """A model with a batch of its data."""

    model: Model
    data: Dataset
    batch: Batch
    config: dict


@pytest.fixture(params=[*OWN, *OTHERS])
def made(request, tmp_path_factory) -> Made:
    with composer(words_of(request.param)) as compose:
        config = compose(["data_dir=null"])
    data = make_data(config)
    job = make_job(config, data.x_shape, data.y_size, data.values)
    with torch.no_grad():  # away from the start, where some posteriors are the prior
        for p in job.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=gen(len(p.shape))))
    return Made(job.eval().model, data, next(data.batches("test", 4)), config)


@pytest.mark.parametrize("k", [1, 3])
def test_shapes_of_inference(made, k):
    model, x = made.model, made.batch.x
    latents = model.infer(x, made.batch.y, k, noise(), densities=True)
    levels, images = len(model.latent_shapes), len(x)
    assert len(latents.z) == len(latents.kl) == len(latents.q) == levels
    stored = latents.z if latents.codes is None else latents.codes
    assert [tuple(z.shape) for z in stored] == [(k, images, *shape) for shape in model.latent_shapes]
    for z, kl, q in zip(latents.z, latents.kl, latents.q):
        assert kl.shape[0] in (1, k)
        assert kl.shape[1] == images
        if q is not None:
            assert q.mu.shape == q.log_var.shape
            assert q.mu.shape[0] in (1, k)
            assert q.mu.shape[1:] == z.shape[1:]
    if model.deterministic:
        assert latents.log_q is None
    else:
        assert latents.log_q.shape == latents.log_p.shape == (k, images)
    assert all(values.shape == (images,) for values in latents.aux.values())


def test_draws_from_the_prior_decode_and_are_scored(made):
    model, likelihood = made.model, made.model.likelihood
    z = model.prior_sample(4, made.batch.y, noise())
    assert all(part.shape[:2] == (1, 4) for part in z)
    params = model.decode(z, made.batch.y)
    assert tuple(params.shape) == (1, 4, *likelihood.params_shape(made.data.x_shape))
    assert tuple(likelihood.mean(params).shape) == (1, 4, *made.data.x_shape)
    assert tuple(likelihood.sample(params, noise()).shape) == (1, 4, *made.data.x_shape)
    assert tuple(likelihood.log_prob(params, made.batch.target).shape) == (1, 4)


def test_codes_given_to_the_prior_are_kept_and_the_levels_below_drawn(made):
    model, y = made.model, made.batch.y
    whole = model.prior_sample(4, y, noise())
    if model.deterministic:
        codes = model.infer(made.batch.x, y, 1, noise()).codes
        assert torch.equal(model.prior_sample(4, y, noise(), codes)[0], model.prior_sample(4, y, noise("b"), codes)[0])
        return
    again = model.prior_sample(4, y, noise("other"), whole[:1])
    assert len(again) == len(whole)
    assert torch.equal(again[0], whole[0])
    assert all(not torch.equal(a, b) for a, b in zip(again[1:], whole[1:]))
    assert all(torch.equal(a, b) for a, b in zip(model.prior_sample(4, y, noise("other"), whole), whole))


def test_a_hierarchy_makes_one_normal_draw_per_level_from_the_top(made):
    model, y = made.model, made.batch.y
    if len(model.latent_shapes) == 1 or getattr(model, "code_sizes", ()):
        return
    noted = NotedNoise(noise())
    whole = model.prior_sample(4, y, noted)
    model.prior_sample(4, y, noted, whole[:1])
    shapes = [(1, 4, *shape) for shape in model.latent_shapes]
    assert noted.asked == [("normal", shape) for shape in (*shapes, *shapes[1:])]


def test_inference_without_noise_is_at_the_mean_of_every_level(made):
    model, batch = made.model, made.batch
    first, second = (at_the_means(model, batch.x, batch.y, noise(key)) for key in ("a", "b"))
    assert has_means(model, first)
    for a, b, q in zip(first.z, second.z, first.q):
        assert torch.equal(a, b)  # whatever the noise was
        if q is not None:
            assert torch.equal(a, q.mu)
    params = model.decode(first.z, batch.y)
    if first.params is not None:  # a top-down pass computed it from the same codes
        torch.testing.assert_close(first.params, params)


def test_the_kl_and_the_densities_agree_by_monte_carlo(made):
    model, batch = made.model, made.batch
    if model.deterministic:
        latents = model.infer(batch.x, batch.y, 1, noise())
        torch.testing.assert_close(
            sum(kl[0].flatten(1).sum(1) for kl in latents.kl), -model.log_prior(latents.z, None)[0]
        )
        return
    latents = model.infer(batch.x, batch.y, 4000, noise(), densities=True)
    kl = sum(part.flatten(2).sum(2) for part in latents.kl).expand(4000, -1)
    difference = (latents.log_q - latents.log_p - kl).double()
    error = difference.std(0) / math.sqrt(len(difference))
    assert (difference.mean(0).abs() < 5 * error + 1e-4).all()
    torch.testing.assert_close(model.log_prior(latents.z, batch.y), latents.log_p)


def test_every_parameter_infers_or_generates(made):
    model = made.model
    for name, _ in model.named_parameters():
        roles = [name.startswith(tuple(role)) for role in (model.inference, model.generation)]
        assert roles.count(True) == 1, name


def test_a_sampler_of_the_top_level_decodes(made):
    class Given:
        def sample(self, n, draws):
            shape = (n, *made.model.latent_shapes[0])
            return torch.zeros(shape, dtype=torch.long) if made.model.deterministic else draws.normal(*shape).flatten(1)

    y = made.batch.y if made.model.conditional else None
    (images,) = decoded_draws(made.model, 4, torch.device("cpu"), 0, "test", 4, lambda *_: y, Given())
    assert tuple(images.shape) == (4, *made.data.x_shape)


@pytest.fixture
def made_of():
    """(model, more words) to a job in evaluation mode and a batch of its data."""

    def make(model: str, *more: str):
        with composer([*words_of(model), *more]) as compose:
            config = compose([])
        data = make_data(config)
        return make_job(config, data.x_shape, data.y_size, data.values).eval(), next(data.batches("test", 4))

    return make


@pytest.mark.parametrize("model", [name for name in OTHERS if name != "two_level"])  # which only a KL trains
def test_an_autoencoder_is_trained_at_the_means(made_of, model):
    """A top-down pass that decoded a random draw would give another loss at each step."""
    job, batch = made_of(model, "objective=ae")
    losses = [job(batch, step(key)).logs["recon"] for key in range(3)]
    assert losses[0] == losses[1] == losses[2]
    latents = at_the_means(job.model, batch.x, batch.y, noise())
    params = job.model.decode(latents.z, batch.y)
    expected = -job.model.likelihood.log_prob(params, batch.target).mean()
    offset = job.model.likelihood.recon_offset(batch.target[0].numel())
    torch.testing.assert_close(losses[0], expected - offset)


@pytest.mark.parametrize("objective", [name for name in groups()["objective"] if name not in ("factor_vae",)])
def test_auxiliary_losses_count_in_every_objective_and_are_logged(made_of, objective):
    """The commitment term of discrete codes, with weight 1; an objective that needs a density says so in one line."""
    job, batch = made_of("grid_codes", f"objective={objective}")
    if objective in NO_DISCRETE_CODES:
        with pytest.raises(UserError, match=NO_DISCRETE_CODES[objective]):
            job(batch, step())
        return
    terms = job(batch, step())
    aux = job.model.infer(batch.x, batch.y, 1, noise()).aux["commitment"].mean()
    torch.testing.assert_close(terms.logs["commitment"], aux)
    without = job.model.infer

    def infer(*args, **more):
        latents = without(*args, **more)
        latents.aux = {}
        return latents

    job.model.infer = infer
    torch.testing.assert_close(terms.loss - aux, job(batch, step()).loss, rtol=1e-4, atol=1e-3)


def test_the_composed_config_of_a_stand_in_names_no_image_key(made_of):
    with composer(words_of("token_mlp")) as compose:
        config = compose([])
    assert not {"noise_std", "noise_share", "binarize", "limit"} - {"limit"} & config["dataset"].keys()
    assert OmegaConf.create(config)


@pytest.fixture
def evaluated(made_of):
    """(model, seed, more words) to the evaluation of an untrained model on its data."""

    def make(model: str, seed: int, *more: str) -> Evaluation:
        job, _ = made_of(model, *more)
        with composer(words_of(model)) as compose:
            data = make_data(compose([]))
        return Evaluation(job, data, seed, torch.device("cpu"))

    return make


@pytest.mark.parametrize("model", [*OTHERS, "cnn"])
def test_nothing_after_an_autoencoder_draws_noise(evaluated, model):
    """Reconstructions, terms of images and codes are at the means, whatever the seed of the noise is."""
    first, second = (evaluated(model, seed, "objective=ae") for seed in (0, 1))
    x = next(first.data.batches("test", 4)).x
    assert torch.equal(first.reconstruct(x), second.reconstruct(x))
    a, b = (image_terms(one, [x], "test", 1).recon for one in (first, second))
    assert torch.equal(a, b)
    assert torch.equal(first.code_draws(), second.code_draws())


@pytest.mark.parametrize("model", SEVERAL)
def test_codes_of_every_level_are_means_given_the_means_above(evaluated, model):
    trained = evaluated(model, 0)
    batch = next(trained.data.batches("test", 5))
    means = at_the_means(trained.model, batch.x, batch.y, noise()).z
    for level, z in enumerate(means):
        torch.testing.assert_close(trained.codes("test", 5, level)[0].mu, z[0])
    assert torch.equal(trained.kl("test", 5), torch.cat([trained.kl("test", 5, level) for level in (0, 1)], 1))


@pytest.mark.parametrize("model", OTHERS)
def test_a_model_with_means_is_not_asked_for_many_draws(evaluated, model):
    trained, asked = evaluated(model, 0), []
    infer = trained.model.infer
    trained.model.infer = lambda x, y, k, *more, **named: (asked.append(k), infer(x, y, k, *more, **named))[1]
    trained.reconstruct(next(trained.data.batches("test", 4)).x)
    trained.codes("test", 4)
    assert set(asked) == {1}
    assert len(asked) <= 3
