"""The models of the contract in the whole program: training, all scores, ``evaluate``, ``sample``, ``resume``, stacks.

Each part works, or declines with one sentence that names the cause.
"""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BARE
from contract import DISCRETE, OF_TOKENS, OTHERS, OWN, POINT, POINTS, SEVERAL, words_of
from helpers import curves_of, scores_of

import vae_lab
from vae_lab.compare.protocols import metric_of
from vae_lab.compare.reading import read
from vae_lab.config.help import groups


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


@ALL
def test_every_score_is_found_under_one_metric(folder):
    record = read(folder)
    assert [name for name in record.scores if metric_of(name, record.protocol) is None] == []


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
    small = ["sampler.epochs=1", "sampler.layers=1", "sampler.width=8"]
    few = {"flow": ["sampler.epochs=1"], "two_stage": ["sampler.epochs=1"], "gmm": ["sampler.components=1"],
           "code_transformer": small, "pixelcnn": small, "pixelsnail": small}  # fmt: skip
    figures = ["metrics=loss_terms", "figures=samples"] if not folder_holds_tokens(folder) else ["metrics=none"]
    ended = cli("evaluate", f"run={folder}", f"sampler={sampler}", *few.get(sampler, []), *figures)
    discrete = vae_lab.load_run(folder).model.deterministic
    of_codes = few.get(sampler) is small
    if discrete != of_codes and sampler != "aggregate":
        kinds = ("real", "discrete", "code_transformer") if discrete else ("discrete", "real", "gmm")
        assert ended.status == 2
        assert (
            "sampler={} is fitted to {} codes, and those of this model are {}; type sampler={}".format(sampler, *kinds)
            in ended.err
            or "none of it depends on the sampler" in ended.err
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
    assert f" training {'sequences' if folder_holds_tokens(folder) else 'images'}" in about["codes"]


def test_runs_of_other_structures_are_compared(cli, trained):
    ended = cli("compare", *(str(trained(model)) for model in ("two_level", "grid_codes", "token_mlp")), "out=compared")
    assert ended.status == 0, ended.err
    page = Path("compared", "compare.html").read_text()
    assert "holds tokens, not images" in page
    assert page.count('alt="samples') == 2  # of the other two


@pytest.mark.parametrize("model", [*OTHERS, "nvae"])
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


@pytest.mark.parametrize("model", [*OTHERS, "nvae"])
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


@pytest.mark.parametrize(
    ("model", "words", "reason"),
    [
        ("two_level", ["prior=vamp"], "prior=vamp: model=two_level does not read prior; leave it out"),
        ("cnn", ["quantizer.codes=16"], "quantizer.codes=16: model=cnn does not read quantizer; leave it out"),
        ("cnn", ["quantizer=ema"], "quantizer=ema: model=cnn does not read quantizer; leave it out"),
        ("vq_vae", ["prior=standard"], "prior=standard: model=vq_vae does not read prior; leave it out"),
        ("vq_vae", ["beta=4"], "beta=4: the KL of model=vq_vae is a constant, on which beta has no effect; leave it"),
        ("vq_vae", ["k1=1", "k2=0"], "beta=0: the KL of model=vq_vae is a constant"),
        ("vq_vae_2", ["k1=2", "k2=3"], "k2=3: the KL of model=vq_vae_2 is a constant, on which k2 has no effect"),
        ("vq_vae", ["beta_schedule=linear"], "beta_schedule=linear: the KL of model=vq_vae is a constant"),
        ("vq_vae", ["objective.free_bits=0.5"], "objective.free_bits=0.5: the KL of model=vq_vae is a constant"),
        ("vq_vae", ["objective.min_rate=5"], "objective.min_rate=5: the KL of model=vq_vae is a constant"),
        ("two_level", ["model.latent_dims=[3]"], "model.latent_dims=[3]: this model has two levels; type"),
        ("top_down", ["model.latent_dims=[1,2,3]"], "model.latent_dims=[1,2,3]: this model has two levels; type"),
        ("two_level", ["posterior=iaf"], "posterior=iaf: model=two_level does not read posterior; leave it out"),
        ("two_level", ["conditional=true"], "conditional=true: model=two_level does not read conditional"),
        ("top_down", ["latent_dim=4"], "latent_dim=4: model=top_down does not read latent_dim; leave it out"),
        ("two_level", ["objective=beta_tcvae"], "objective=beta_tcvae needs one level of latents"),
        ("two_level", ["objective=factor_vae"], "objective=factor_vae needs one level"),
        ("two_level", ["objective=soft_intro_vae"], "objective=soft_intro_vae needs a model with one level of latents"),
        ("grid_codes", ["objective=soft_intro_vae"], "objective=soft_intro_vae needs real codes, and those of this"),
        ("point_codes", ["objective=intro_vae"], "objective=intro_vae needs a posterior that is a distribution"),
        ("token_mlp", ["objective=intro_vae"], "objective=intro_vae needs examples that are images"),
        ("grid_codes", ["objective=iwae"], "objective=iwae needs the densities of the latents"),
        ("grid_codes", ["objective.estimator=A"], "objective.estimator=A needs the densities"),
        ("token_mlp", ["likelihood=mse"], "likelihood=mse is for images, and dataset=phrases holds tokens"),
        ("token_mlp", ["model=cnn"], "model=cnn is for images, and dataset=phrases holds tokens; type model=dense"),
        ("token_mlp", ["dataset=digits", "model=cnn"], "likelihood=categorical is for tokens, and dataset=digits"),
        ("cnn", ["beta_schedule=linear", "objective.kl_balance=true"], "objective.kl_balance=true weighs the levels"),
        ("vdvae", ["objective.kl_balance=true"], "objective.kl_balance=true weighs the levels during the warm-up"),
        ("nvae", ["model.blocks=[1]"], "model.blocks has 1 entry and model.scales 2; type one entry"),
        ("vdvae", ["objective=beta_tcvae"], "objective=beta_tcvae needs one level of latents"),
        ("grid_codes", ["objective=beta_tcvae"], f"objective=beta_tcvae {DISCRETE}"),
        ("grid_codes", ["objective=dip_vae_i"], f"objective=dip_vae_i {DISCRETE}"),
        ("grid_codes", ["objective=factor_vae"], "objective=factor_vae needs real codes, and those of this model are"),
        ("grid_codes", ["objective=wae"], "this objective compares real codes with the prior, and those of this model"),
        ("top_down", ["objective=wae"], "this objective compares one level of codes with the prior, and this"),
        ("two_level", ["objective=wae"], "this objective has no KL term that would train the prior; type objective=e"),
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
