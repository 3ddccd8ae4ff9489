"""Tests of what is told before training about scores, figures and the cache."""

import csv

import pytest
from conftest import TINY

import vae_lab.features.classifier as classifier

BARE = ["logger=none", "figures=none"]


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    """A cache in whose place there is a file."""
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path / "blocked" / "cache"))
    monkeypatch.setenv("VAE_LAB_DATA", str(tmp_path))
    return tmp_path


REFUSED = {
    "features=inception features.weights=missing.pth metrics=fid": "features.weights=missing.pth: no such file",
    "metrics=loss_terms metrics.loss_terms=5": "loss_terms is a metric and has settings of its own, no value; type",
    "metrics=loss_terms metrics.loss_terms._target_=vae_lab.figures.curves.Curves": "no such key; there are none",
    "metrics=loss_terms ~metrics.loss_terms.draws metrics.loss_terms._target_=vae_lab.figures.curves.Curves": (
        "is not a metric"
    ),
    "metrics=none figures=curves figures.curves._target_=vae_lab.metrics.fid.FID": "is not a figure",
    "metrics=none figures=samples figures.samples.rows=0": "figures.samples.rows=0: must be greater than 0",
    "metrics=none figures=samples figures.samples._target_=vae_lab.nets.dense.Dense": "samples.columns: no such key",
    "metrics=fid sampler=gmm sampler.components=none": "sampler.components=none: must be",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_built_is_refused_before_anything_is_written(cli, tmp_path, words):
    ended = cli("train", *TINY, *[word for word in BARE if word[:7] not in words], *words.split(), "hydra.run.dir=run")
    assert ended.status == 2
    assert REFUSED[words] in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_classifier_that_could_not_be_saved_is_refused_before_training(cli, no_cache):
    ended = cli("train", *TINY, *BARE, "metrics=fid", "hydra.run.dir=run")
    assert ended.status == 2
    folder = no_cache / "blocked" / "cache" / "classifiers"
    assert f"the classifier of digits has to be trained and saved, but {folder} cannot be written" in ended.err
    assert "set VAE_LAB_CACHE=<a writable folder with room>, or type classifier=false" in ended.err
    assert not (no_cache / "run").exists()
    assert cli("train", *TINY, *BARE, "metrics=loss_terms", "hydra.run.dir=run").status == 0  # needs no classifier


@pytest.mark.parametrize("words", [(), ("classifier=false",)], ids=["auto", "false"])
def test_without_a_writable_cache_the_scores_of_a_classifier_that_nobody_asked_for_are_left_out(cli, no_cache, words):
    ended = cli("train", *TINY, *BARE, *words, "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    told = "No fid, label_distribution: the classifier of digits that they need has not been trained yet"
    before, _, after = ended.out.partition("epoch 1/1")
    assert told in " ".join(before.split())
    assert "computed in every run" not in before
    assert told not in " ".join(after.split())
    assert "blocked" in before
    assert "vae-lab evaluate run=<the run> has them" in " ".join(before.split())
    assert "test/fid" not in (no_cache / "run" / "results.json").read_text()


def test_a_sweep_is_refused_once_and_before_its_first_job(cli, no_cache):
    ended = cli("train", "-m", *TINY, *BARE, "metrics=fid", "seed=1,2")
    assert ended.status == 2
    assert ended.err.count("has to be trained and saved") == 1
    assert not (no_cache / "outputs").exists()
    ended = cli("train", "-m", *TINY, *BARE, "seed=1,2")
    assert ended.status == 0, ended.err
    assert ended.out.count("set VAE_LAB_CACHE=<a writable folder") == 1  # below the table of the comparison


def test_features_that_cannot_be_remembered_are_told_and_cost_no_run(cli, no_cache, monkeypatch):
    known = classifier.freeze(classifier.ConvClassifier((1, 8, 8), 10, "digits"))
    known.sha256 = "0" * 64
    monkeypatch.setattr(classifier, "_shipped", lambda data: no_cache / "blocked")  # exists
    monkeypatch.setattr(classifier, "load_classifier", lambda *_: known)
    ended = cli("train", *TINY, *BARE, "metrics=fid", "metrics.fid.samples=200", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    before, _, after = ended.out.partition("epoch 1/1")
    assert "computed in every run and not remembered" in " ".join(before.split())
    assert "not remembered" not in after
    assert " fid " in after


def test_scores_that_will_be_left_out_are_named_once_and_before_training(cli, tmp_path):
    ended = cli("train", *TINY, *BARE, "metrics=[loss_terms,mig]", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    assert ended.out.index("No mig: the dataset has no known factors") < ended.out.index("epoch 1/1")
    assert ended.out.count("No mig") == 1
    assert "No mig" in (tmp_path / "run" / "results.json").read_text()


def test_looking_ahead_changes_no_number(cli, tmp_path):
    """Figures and metrics that are left out later must not change the draws or the weights of training."""
    for name, more in (("less", ["metrics=none"]), ("more", ["metrics=[loss_terms,fid,nll]", "metrics.nll.samples=2"])):
        assert cli("train", *TINY, *BARE, *more, f"hydra.run.dir={name}").status == 0
    terms = [next(csv.DictReader((tmp_path / name / "metrics.csv").open())) for name in ("less", "more")]
    assert {**terms[0], "epoch_seconds": ""} == {**terms[1], "epoch_seconds": ""}


def test_a_missing_compiler_is_refused_before_anything_is_written(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    ended = cli("train", *TINY, *BARE, "metrics=none", "compile=true", "accelerator=cpu", "hydra.run.dir=run")
    assert ended.status == 2
    assert "compile=true needs a C++ compiler" in ended.err
    assert not (tmp_path / "run").exists()


def test_figures_that_the_user_has_named_and_that_cannot_be_drawn_are_told_before_training(cli):
    words = ["logger=none", "metrics=loss_terms", "hydra.run.dir=run"]
    ended = cli("train", *TINY, *words, "figures=[typical,class_samples,samples]")
    before, _, after = ended.out.partition("epoch 1/1")
    assert "No figure class_samples: the model is not conditional." in before
    assert "No figure typical: it shows the results of metrics=anomaly; add anomaly to metrics=, or type " in before
    assert "No figure" not in after
    ended = cli("evaluate", "run=run", "metrics=loss_terms", "figures=typical")
    assert "type vae-lab evaluate run=run metrics=anomaly figures=typical." in ended.out
    ended = cli("figures", "run=run", "figures=class_samples")
    assert ended.status == 2
    assert "nothing can be drawn. No figure class_samples: the model is not conditional." in ended.err
    assert "No figure" not in cli("evaluate", "run=run", "metrics=anomaly", "figures=typical").out


def test_metrics_that_the_user_has_named_are_never_left_out_in_silence(cli):
    note = "No levels: the model has one level of latents."
    ended = cli("train", *TINY, *BARE, "metrics=[loss_terms,levels]", "hydra.run.dir=run")
    assert note in ended.out.partition("epoch 1/1")[0]
    assert ended.out.count(note) == 1
    assert note in cli("evaluate", "run=run", "metrics=levels", "figures=none").out
    assert "No levels" not in cli("evaluate", "run=run", "metrics=fast", "figures=none").out


def test_figures_of_the_default_that_do_not_suit_a_run_are_left_out_silently(cli):
    ended = cli("train", *TINY, "logger=none", "metrics=loss_terms", "figures=default", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    assert "No figure" not in ended.out
