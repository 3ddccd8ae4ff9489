"""Tests of the commands on a finished run: evaluate, sample, and reading it in a notebook."""

import csv
import json
import shutil

import numpy as np
import pytest
import yaml
from helpers import scores_of

import vae_lab


def test_evaluate_adds_to_the_run(cli, run_copy):
    before = json.loads((run_copy / "results.json").read_text())
    ended = cli("evaluate", "run=run", "metrics=fid", "metrics.fid.samples=200", "figures=samples")
    assert ended.status == 0, ended.err
    after = json.loads((run_copy / "results.json").read_text())
    assert after["protocol"]["fid"]["images"] == 200
    assert after["metrics"]["test/fid"] != before["metrics"]["test/fid"]
    assert after["metrics"]["test/elbo"] == before["metrics"]["test/elbo"]
    identities = {path.name.rsplit("-", 1)[1] for path in (run_copy / "wandb").glob("offline-run-*")}
    assert len(identities) == 1


def test_evaluate_repeats_the_scores_of_training(cli, run_copy):
    before = scores_of(run_copy)
    assert cli("evaluate", "run=run", "figures=none").status == 0
    assert scores_of(run_copy) == before


def test_evaluate_robustness_draws_its_figures_and_writes_a_row_per_image(cli, run_copy):
    shutil.rmtree(run_copy / "figures")
    ended = cli("evaluate", "run=run", "metrics=robustness")
    assert ended.status == 0, ended.err
    drawn = {path.stem for path in (run_copy / "figures").iterdir()}
    assert drawn >= {"denoising", "ood_roc", "typical", "noise_to_digit"}
    with (run_copy / "anomaly_scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(int(row["index"]) for row in rows) == list(range(360))
    results = json.loads((run_copy / "results.json").read_text())
    mean = sum(float(row["elbo"]) for row in rows) / 360
    assert mean == pytest.approx(results["metrics"]["test/elbo"], abs=1)  # the two means are of different draws of z
    assert "anomaly_scores" not in (run_copy / "results.json").read_text().replace("anomaly_scores.csv", "")
    assert results["metrics"]["test/ood_auroc_uniform_recon"] > 0.99
    assert "none of fashion_mnist, kmnist, mnist, cifar10" in ended.out


def test_sample_writes_grid_array_and_single_images(cli, run_copy, tmp_path):
    ended = cli("sample", "run=run", "n=30", "dir=single")
    assert ended.status == 0, ended.err
    images = np.load(run_copy / "samples" / "n30-seed0.npy")
    assert images.shape == (30, 1, 8, 8)
    assert images.dtype == np.float32
    assert 0 <= images.min() < images.max() <= 1
    assert (run_copy / "samples" / "n30-seed0.png").stat().st_size > 1000
    assert len(list((tmp_path / "single").glob("*.png"))) == 30
    assert np.array_equal(images[:5], vae_lab.load_run(run_copy).sample(5).numpy())
    assert not np.array_equal(images[:5], vae_lab.load_run(run_copy).sample(5, seed=1).numpy())
    again = cli("sample", "run=run", "n=30")
    assert again.status == 2
    assert "not overwritten" in again.err


def test_load_run_gives_config_model_data_and_scores(finished):
    run = vae_lab.load_run(finished)
    assert run.status == "finished"
    assert run.config == yaml.safe_load((finished / "config.yaml").read_text())
    assert not run.model.training
    assert len(run.data.test) == 360
    assert run.scores["test/elbo"] == scores_of(finished)["test/elbo"]
    assert len(run.history) == 15
    batch = next(iter(run.data.batches("test", 8)))
    latents = run.model.infer(batch.x, batch.y, 2, run.evaluation.noise("here"))
    assert latents.z[0].shape == (2, 8, 3)
