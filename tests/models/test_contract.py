"""Tests of the interface of a model, on every option of ``conf/model`` and on stand-ins of other structures.

The second half takes each of them through the whole program: a default run, all scores and figures, every sampler,
``evaluate``, ``sample``, ``resume``, a stack, ``load_run``. Each part works, or declines with one sentence.
"""

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BARE, TINY
from helpers import curves_of, gen, scores_of, step
from omegaconf import OmegaConf

import vae_lab
from vae_lab.config.composing import composer
from vae_lab.config.help import groups
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError
from vae_lab.evaluation.trained import Evaluation, decoded_draws
from vae_lab.inference import at_the_means, has_means
from vae_lab.metrics.common.image_terms import image_terms
from vae_lab.noise import SeededNoise
from vae_lab.runs.build import make_data, make_job
from vae_lab.types import Batch, Model

STAND_INS = Path(__file__).parents[1] / "stand_ins"
SEARCH = f"hydra.searchpath=[file://{STAND_INS}/conf]"
TOKENS = ("dataset=phrases", "likelihood=categorical", "dataset.limit=16", "batch_size=8", "epochs=1")
SMALLER = {
    "dcgan": ["model.net.width=4"],
    "infogan": ["model.net.hidden=16"],
    "mlp": ["model.net.encoder=[16]", "model.net.decoder=[16]"],
}
OWN = list(groups()["model"])
OTHERS = ["two_level", "top_down", "grid_codes", "token_mlp", "token_dense"]
POINTS = "point_codes"  # without its own run of the whole program, since it differs from the others in few places
OF_TOKENS = ("token_mlp", "token_dense")
SEVERAL = ["two_level", "top_down"]


DISCRETE = "needs Gaussian posteriors, and the codes of this model are discrete; type objective=elbo"
POINT = (
    "needs Gaussian posteriors, and the codes of this model are deterministic, so that q(z|x) has no density; "
    "type objective=elbo, or model=cnn"
)
_COMPARES = "compares real codes with the prior, and those of this model are discrete; type objective=elbo"
NO_DISCRETE_CODES = {
    "beta_tcvae": DISCRETE,
    "dip_vae_i": DISCRETE,
    "dip_vae_ii": DISCRETE,
    "info_vae": _COMPARES,
    "iwae": "needs the densities of the latents, which this model does not have",
    "wae": _COMPARES,
}


def words_of(model: str) -> list[str]:
    """The command-line words of a small run of a model."""
    data = TOKENS if model in OF_TOKENS else TINY
    return [*data, f"model={model}", *SMALLER.get(model, []), *([SEARCH] if model in (*OTHERS, POINTS) else [])]


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


def noise(key: str = "contract") -> SeededNoise:
    return SeededNoise("cpu", key)


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


# ---- the whole program


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of each model with all scores and figures, made when it is first asked for."""
    import sys

    from vae_lab.cli import _main

    home = tmp_path_factory.mktemp("contract")
    found: dict[str, Path] = {}

    def run(model: str) -> Path:
        if model not in found:
            from hydra.core.global_hydra import GlobalHydra

            GlobalHydra.instance().clear()
            words = ["train", *words_of(model), "logger=none", "metrics=full", "metrics.nll.samples=20",
                     "metrics.nll.images=8", "metrics.probe.draws=1", f"hydra.run.dir={home / model}"]  # fmt: skip
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "argv", ["vae-lab", *words])
                patch.setenv("HYDRA_FULL_ERROR", "0")
                assert _main(words) == 0
            found[model] = home / model
        return found[model]

    return run


@pytest.fixture
def folder(trained, request, tmp_path) -> Path:
    return Path(shutil.copytree(trained(request.param), tmp_path / "run"))


ALL = pytest.mark.parametrize("folder", [*OWN, *OTHERS], indirect=True)
STRANGE = pytest.mark.parametrize("folder", OTHERS, indirect=True)


def notes_of(folder: Path) -> list[str]:
    return json.loads((folder / "results.json").read_text())["notes"]


@ALL
def test_a_run_with_every_score_and_figure_ends_well(folder):
    scores = scores_of(folder)
    assert all(math.isfinite(value) for value in scores.values())
    assert {"test/loss", "test/recon", "test/kl", "test/elbo"} <= scores.keys()
    assert {"curves.png", "latent_space.png"} <= {path.name for path in (folder / "figures").iterdir()}
    for note in notes_of(folder):
        assert note.endswith(".")
        assert "\n" not in note


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("two_level", "No aggregate_posterior: it needs one level of Gaussian posteriors."),
        ("top_down", "No aggregate_posterior: it needs one level of Gaussian posteriors."),
        ("grid_codes", "No nll: the codes of this model are deterministic, so that q(z|x) has no density."),
        ("grid_codes", "No active_units: the codes of this model are discrete."),
        ("token_mlp", "No figure reconstructions, samples, "),
        ("token_mlp", "the dataset holds tokens, not images."),
        ("token_dense", "the dataset holds tokens, not images."),
    ],
    indirect=["folder"],
)
def test_a_choice_that_a_model_cannot_have_is_declined_with_the_true_cause(folder, expected):
    assert any(expected in note for note in notes_of(folder)), notes_of(folder)


@pytest.mark.parametrize("folder", [POINTS], indirect=True)
def test_deterministic_codes_that_are_real_numbers_have_active_units(folder):
    assert 0 <= scores_of(folder)["test/active_units"] <= 16
    assert not any("discrete" in note for note in notes_of(folder)), notes_of(folder)


@pytest.mark.parametrize("folder", SEVERAL, indirect=True)
def test_every_level_of_a_hierarchy_is_scored(folder):
    results = json.loads((folder / "results.json").read_text())
    assert len(results["arrays"]["kl_per_level"]) == 2
    assert sum(results["arrays"]["kl_per_level"]) == pytest.approx(sum(results["arrays"]["kl_per_dim"]), rel=1e-5)
    assert 0 <= results["metrics"]["test/active_units"] <= 5
    assert results["metrics"]["test/nll"] <= -results["metrics"]["test/elbo"] + 50  # a bound of more samples
    title = vae_lab.load_run(folder).evaluation.title
    assert "latent_dims=[2,3]" in title
    assert "latent_dim=" not in title


@pytest.mark.parametrize("folder", OF_TOKENS, indirect=True)
def test_scores_of_sequences_do_not_speak_of_images(folder):
    results = json.loads((folder / "results.json").read_text())
    assert results["protocol"]["loss_terms"]["unit"] == "nats per sequence"
    assert results["meanings"]["test/kl"] == "KL[q(z|x) ‖ p(z)], nats per sequence"
    assert results["meanings"]["test/bits_per_dim"] == "−elbo in bits per token"
    assert results["meanings"]["test/nll_bits_per_dim"] == "nll in bits per token, lower is better"
    assert "half of the test sequences" in results["meanings"]["test/anomaly_median"]
    protocols = [str(value) for protocol in results["protocol"].values() for value in protocol.values()]
    assert not [text for text in [*results["meanings"].values(), *protocols] if "image" in text or "pixel" in text]
    assert "16 training sequences" in vae_lab.load_run(folder).evaluation.title


@ALL
def test_it_is_evaluated_again_with_the_same_scores(cli, folder):
    before = scores_of(folder)
    ended = cli("evaluate", f"run={folder}", "metrics=[loss_terms,latent_use]", "figures=reconstructions")
    assert ended.status == 0, ended.err
    assert scores_of(folder) == before


@ALL
def test_it_generates_examples(cli, folder):
    ended = cli("sample", f"run={folder}", "n=5", "out=made")
    assert ended.status == 0, ended.err
    (array,) = Path("made").glob("*.npy")
    examples = np.load(array)
    assert examples.shape == (5, *vae_lab.load_run(folder).data.x_shape)
    assert len(list(Path("made").iterdir())) == 2  # and a picture, or text
    if folder_holds_tokens(folder):
        lines = next(Path("made").glob("*.txt")).read_text().splitlines()
        assert len(lines) == 5
        assert all(len(line.split()) == 6 for line in lines)


def folder_holds_tokens(folder: Path) -> bool:
    return json.loads((folder / "environment.json").read_text())["values"]["kind"] == "tokens"


@ALL
def test_it_is_loaded_in_a_notebook(folder):
    run = vae_lab.load_run(folder)
    x = run.sample(3)
    assert tuple(x.shape) == (3, *run.data.x_shape)
    batch = next(run.data.batches("test", 3))
    assert run.evaluation.reconstruct(batch.x, batch.y).shape == batch.x.shape
    latents = run.model.infer(batch.x, batch.y, 2, run.evaluation.noise("mine"))
    assert len(latents.z) == len(run.model.latent_shapes)
    assert run.evaluation.codes()[0].mu.shape == (len(run.data.test), run.evaluation.codes()[0].mu[0].numel())


@pytest.mark.parametrize("sampler", [name for name in groups()["sampler"] if name != "prior"])
@STRANGE
def test_every_sampler_fits_its_codes_or_declines(cli, folder, sampler):
    few = {"flow": ["sampler.epochs=1"], "two_stage": ["sampler.epochs=1"], "gmm": ["sampler.components=1"]}
    figures = ["metrics=loss_terms", "figures=samples"] if not folder_holds_tokens(folder) else ["metrics=none"]
    ended = cli("evaluate", f"run={folder}", f"sampler={sampler}", *few.get(sampler, []), *figures)
    discrete = vae_lab.load_run(folder).model.deterministic
    if discrete and sampler != "aggregate":
        assert ended.status == 2
        assert ended.err.strip().endswith(
            f"sampler={sampler} is fitted to real codes, and those of this model are discrete; type sampler=aggregate"
        )
        return
    if ended.status == 2:
        assert "none of it depends on the sampler" in ended.err  # tokens have no picture
    else:
        assert ended.status == 0, ended.err
    ended = cli("sample", f"run={folder}", f"sampler={sampler}", "n=4", "out=drawn")
    assert ended.status == 0, ended.err
    (array,) = Path("drawn").glob("*.npy")
    assert len(np.load(array)) == 4
    about = torch.load(folder / "samplers" / f"{sampler}.pt")["about"]
    assert about["codes"].endswith(f"training {'sequences' if folder_holds_tokens(folder) else 'images'}")


def test_runs_of_other_structures_are_compared(cli, trained):
    ended = cli("compare", *(str(trained(model)) for model in ("two_level", "grid_codes", "token_mlp")), "out=compared")
    assert ended.status == 0, ended.err
    page = Path("compared", "compare.html").read_text()
    assert "holds tokens, not images" in page
    assert page.count('alt="samples') == 2  # of the other two


@pytest.mark.parametrize("model", OTHERS)
def test_an_interrupted_run_continues_with_the_same_numbers(cli, tmp_path, model):
    words = [word for word in words_of(model) if not word.startswith("epochs")]
    assert cli("train", *words, "epochs=2", *BARE, "hydra.run.dir=whole").status == 0
    assert cli("train", *words, "epochs=1", *BARE, "hydra.run.dir=part").status == 0
    (tmp_path / "part" / "results.json").unlink()
    config = tmp_path / "part" / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 1", "epochs: 2"))
    ended = cli("train", "resume=part")
    assert ended.status == 0, ended.err
    assert curves_of(tmp_path / "part") == curves_of(tmp_path / "whole")


@pytest.mark.parametrize("model", OTHERS)
def test_two_jobs_train_as_one_stack_as_they_do_alone(cli, tmp_path, model):
    words = ["-m", *words_of(model), "logger=none", "metrics=loss_terms", "figures=none", "beta=1,2"]
    for launcher in ("sequence", "vectorized"):
        ended = cli("train", *words, f"launcher={launcher}", f"sweep={launcher}")
        assert ended.status == 0, ended.out + ended.err
    sweeps = tmp_path / "outputs" / "sweeps"
    for job in ("beta-1", "beta-2"):
        alone, stacked = sweeps / "sequence" / job, sweeps / "vectorized" / job
        assert json.loads((stacked / "environment.json").read_text())["stacked"] == 2
        assert scores_of(stacked) == pytest.approx(scores_of(alone), rel=1e-4)


@pytest.mark.parametrize("model", OTHERS)
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


@pytest.fixture
def made_of():
    """(model, more words) to a job in evaluation mode and a batch of its data."""

    def make(model: str, *more: str):
        with composer([*words_of(model), *more]) as compose:
            config = compose([])
        data = make_data(config)
        return make_job(config, data.x_shape, data.y_size, data.values).eval(), next(data.batches("test", 4))

    return make


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


@pytest.mark.parametrize(
    ("model", "words", "reason"),
    [
        ("two_level", ["prior=vamp"], "prior=vamp: model=two_level does not read prior; leave it out"),
        ("two_level", ["model.latent_dims=[3]"], "model.latent_dims=[3]: this model has two levels; type"),
        ("top_down", ["model.latent_dims=[1,2,3]"], "model.latent_dims=[1,2,3]: this model has two levels; type"),
        ("two_level", ["posterior=iaf"], "posterior=iaf: model=two_level does not read posterior; leave it out"),
        ("two_level", ["conditional=true"], "conditional=true: model=two_level does not read conditional"),
        ("top_down", ["latent_dim=4"], "latent_dim=4: model=top_down does not read latent_dim; leave it out"),
        ("two_level", ["objective=beta_tcvae"], "objective=beta_tcvae needs one level of latents"),
        ("two_level", ["objective=factor_vae"], "objective=factor_vae needs one level"),
        ("grid_codes", ["objective=iwae"], "objective=iwae needs the densities of the latents"),
        ("grid_codes", ["objective.estimator=A"], "objective.estimator=A needs the densities"),
        ("token_mlp", ["likelihood=mse"], "likelihood=mse is for images, and dataset=phrases holds tokens"),
        ("token_mlp", ["model=cnn"], "model=cnn is for images, and dataset=phrases holds tokens; type model=dense"),
        ("token_mlp", ["dataset=digits", "model=cnn"], "likelihood=categorical is for tokens, and dataset=digits"),
        ("grid_codes", ["objective=beta_tcvae"], f"objective=beta_tcvae {DISCRETE}"),
        ("grid_codes", ["objective=dip_vae_i"], f"objective=dip_vae_i {DISCRETE}"),
        ("grid_codes", ["objective=factor_vae"], "objective=factor_vae needs real codes, and those of this model are"),
        ("grid_codes", ["objective=wae"], "this objective compares real codes with the prior, and those of this model"),
        ("two_level", ["objective=wae"], "this objective compares one level of codes with the prior, and this"),
        ("point_codes", ["objective=beta_tcvae"], f"objective=beta_tcvae {POINT}"),
        ("token_mlp", ["dataset=digits", "likelihood=mse"], "model=token_mlp is for tokens, and dataset=digits holds"),
        ("token_mlp", ["prior=vamp"], "prior=vamp is for images, and dataset=phrases holds tokens; type prior=st"),
        ("token_mlp", ["conditional=true"], "conditional=true adds a channel to images"),
        ("token_mlp", ["batch_size=99"], "batch_size=99 is more than the 16 training sequences of phrases"),
        ("token_mlp", ["+dataset.binarize=dynamic"], "dataset.binarize=dynamic is for images"),
    ],
)  # fmt: skip
def test_incompatible_choices_are_refused_in_one_line_before_anything_is_written(cli, tmp_path, model, words, reason):
    chosen = {word.partition("=")[0] for word in words}
    kept = [word for word in words_of(model) if word.partition("=")[0] not in chosen]
    ended = cli("train", *kept, *words, *BARE, "hydra.run.dir=run")
    assert ended.status == 2, ended.err
    assert ended.err.startswith(f"vae-lab train: {reason}"), ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


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


@pytest.mark.parametrize(
    "words", [["objective=iwae"], ["objective=iwae", "objective.piwae=true", "objective.groups=5"]]
)
@pytest.mark.parametrize("model", [*SEVERAL, "token_mlp"])
def test_importance_weighted_bounds_train_on_every_structure_with_densities(cli, model, words):
    """PIWAE asks the model which parameters infer and which generate, instead of naming its modules."""
    ended = cli("train", *words_of(model), *words, "objective.samples=5", "logger=none", "metrics=loss_terms",
                "figures=none", "hydra.run.dir=run")  # fmt: skip
    assert ended.status == 0, ended.err
    assert scores_of(Path("run"))["test/iwae_bound"] >= scores_of(Path("run"))["test/elbo"] - 1e-3
