"""Tests of complete runs: the content of the run folder, training options, several processes."""

import csv
import json
import math
import os

import numpy as np
import pytest
import torch
from conftest import BARE, TINY
from helpers import curves_of, scores_of, weights_of

import vae_lab


def test_run_folder_keeps_its_contract(finished):
    names = {path.name for path in finished.iterdir()}
    assert names >= {
        "config.yaml",
        "metrics.csv",
        "results.json",
        "environment.json",
        "picture.png",
        "checkpoints",
        "figures",
        "wandb",
    }
    assert {path.name for path in (finished / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    rows = list(csv.DictReader((finished / "metrics.csv").open()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 16))  # completed epochs
    assert all(float(row["epoch_seconds"]) > 0 for row in rows)
    for row in rows:
        for split in ("train", "val"):
            loss, recon, kl, elbo = (float(row[f"{split}/{term}"]) for term in ("loss", "recon", "kl", "elbo"))
            assert loss == pytest.approx(recon + kl, rel=1e-4, abs=1e-3)
            assert elbo == pytest.approx(-recon - kl, rel=1e-4, abs=1e-3)
    environment = json.loads((finished / "environment.json").read_text())
    run = vae_lab.load_run(finished)
    assert environment["parameters"] == sum(p.numel() for p in run.job.parameters())
    assert environment["seed"] == 0
    assert environment["wall_seconds"] > 0
    assert environment["torch"] == torch.__version__.split("+")[0]


def test_scores_have_their_protocol(finished):
    results = json.loads((finished / "results.json").read_text())
    assert results["status"] == "finished"
    scores, fid = results["metrics"], results["protocol"]["fid"]
    assert {f"test/{name}" for name in ("loss", "recon", "kl", "elbo", "fid", "active_units")} <= set(scores)
    assert 0 <= scores["test/fid_floor"] < scores["test/fid"]
    assert len(fid["extractor_sha256"]) == 64
    assert fid["images"] == 360
    assert sum(results["arrays"]["kl_per_dim"]) == pytest.approx(scores["test/kl"], rel=1e-3)
    assert sum(results["arrays"]["labels_generated"]) == pytest.approx(1)


def test_figures_are_there(finished):
    from PIL import Image

    for name in ("reconstructions", "samples", "curves", "latent_space", "kl_per_dimension", "label_shares"):
        with Image.open(finished / "figures" / f"{name}.png") as picture:
            assert min(picture.size) > 200
            assert np.asarray(picture.convert("L")).std() > 5  # the picture is not blank


def test_terminal_shows_parameters_scores_floor_and_folder(finished):
    text = (finished / "stdout.txt").read_text()
    assert "parameters on cpu" in text
    assert "floor: the score of real training images" in text
    assert "Everything is in run" in text


def test_checkpoints_load_without_running_code(finished):
    for name in ("best", "last"):
        content = torch.load(finished / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert any(key.startswith("job.model.") for key in content["state_dict"])


def test_two_runs_of_one_config_give_the_same_numbers(cli, tmp_path):
    words = ["train", "dataset=digits", "epochs=2", "logger=none", "figures=none"]
    for name in ("a", "b"):
        assert cli(*words, f"hydra.run.dir={name}").status == 0
    a, b = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("a", "b"))
    assert a == b
    weights = [torch.load(tmp_path / n / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for n in ("a", "b")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(cli, tmp_path):
    words = ["train", "dataset=digits", "likelihood=gaussian", "likelihood.sigma=1e-15", "optimizer=sgd", "lr=1e20"]
    ended = cli(*words, "epochs=5", *BARE, "hydra.run.dir=run")
    assert ended.status == 1
    assert "NaN" in ended.err
    assert "lr=" in ended.err
    assert not (tmp_path / "run" / "results.json").exists()
    for checkpoint in (tmp_path / "run" / "checkpoints").glob("*.ckpt"):
        state = torch.load(checkpoint, weights_only=True)["state_dict"]
        assert all(torch.isfinite(value).all() for value in state.values())


def test_collapse_is_described_in_words(cli):
    ended = cli("train", "dataset=digits", "epochs=2", "beta=100", "logger=none", "figures=none", "metrics=latent_use")
    assert ended.status == 0
    assert "collapsed" in ended.out
    assert "beta" in ended.out


def test_early_stopping_stops(cli, tmp_path):
    ended = cli("train", *[w for w in TINY if "epochs" not in w], *BARE, "epochs=50", "lr=1e-30", "training.patience=2",
                "hydra.run.dir=run")  # fmt: skip
    assert ended.status == 0, ended.err
    assert 3 <= len(curves_of(tmp_path / "run")) < 10


def test_accumulated_batches_equal_one_large_batch(cli, tmp_path):
    """Without noise, two half batches give the same gradients as one full batch with the images in the same order."""
    words = ["dataset=digits", "dataset.limit=64", "likelihood=mse", "objective=ae", "epochs=2", *BARE]
    words += ["optimizer=sgd", "lr=1e-3"]
    assert cli("train", *words, "batch_size=32", "hydra.run.dir=whole").status == 0
    assert cli("train", *words, "batch_size=16", "training.accumulate=2", "hydra.run.dir=halves").status == 0
    whole, halves = weights_of(tmp_path / "whole"), weights_of(tmp_path / "halves")
    assert all(torch.allclose(whole[key], halves[key], atol=1e-6) for key in whole)
    steps = [json.loads(json.dumps(curves_of(tmp_path / name)[-1]["step"])) for name in ("whole", "halves")]
    assert steps == ["4", "4"]


@pytest.mark.parametrize("likelihood", ["sigma", "sigma_per_pixel"])
def test_a_learned_sigma_is_logged_and_scored(cli, tmp_path, likelihood):
    words = ["dataset=digits", "epochs=2", "logger=none", "figures=none", "metrics=loss_terms"]
    ended = cli("train", *words, f"likelihood={likelihood}", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    curves, state = curves_of(tmp_path / "run"), weights_of(tmp_path / "run")
    trained = state["job.model.likelihood.mse"].sqrt().mean().item()
    assert float(curves[0]["train/sigma"]) > float(curves[1]["train/sigma"]) > trained
    assert float(curves[1]["val/sigma"]) == pytest.approx(trained, rel=1e-4)
    assert scores_of(tmp_path / "run")["test/sigma"] == pytest.approx(trained, rel=1e-4)


@pytest.mark.parametrize("likelihood", ["sigma", "sigma_per_pixel", "sigma_predicted"])
def test_a_learned_sigma_of_black_and_white_pixels_is_refused(cli, tmp_path, likelihood):
    ended = cli("train", *TINY, *BARE, f"likelihood={likelihood}", "dataset.binarize=dynamic", "hydra.run.dir=run")
    assert ended.status == 2
    assert "dataset.binarize=dynamic: on black and white pixels a learned σ falls towards 0" in ended.err
    assert "type likelihood=bernoulli" in ended.err
    assert not (tmp_path / "run").exists()


def test_clipping_bounds_the_step(cli, tmp_path):
    words = [*TINY, *BARE, "optimizer=sgd", "optimizer.momentum=0", "lr=1", "dataset.limit=8"]
    assert cli("train", *words, "training.clip=0.001", "hydra.run.dir=run").status == 0
    run = vae_lab.load_run(tmp_path / "run")
    from vae_lab.runs.build import make_job

    fresh = dict(make_job(run.config, (1, 8, 8), 10).named_parameters())
    moved = sum((fresh[k] - p).square().sum() for k, p in run.job.named_parameters()) ** 0.5
    assert moved.item() == pytest.approx(0.001, rel=1e-2)


def test_warm_up_weighs_training_but_not_validation(cli, tmp_path):
    ended = cli("train", *TINY, *BARE, "beta=3", "beta_schedule=linear", "beta_schedule.epochs=1000",
                "hydra.run.dir=run")  # fmt: skip
    assert ended.status == 0, ended.err
    (row,) = curves_of(tmp_path / "run")
    terms = {key: float(value) for key, value in row.items() if "/" in key}
    assert terms["train/loss"] == pytest.approx(terms["train/recon"], rel=1e-3)
    assert terms["val/loss"] == pytest.approx(terms["val/recon"] + 3 * terms["val/kl"], rel=1e-4)


def test_ddp_trains_in_two_processes_also_in_a_sweep(program, tmp_path):
    words = ["dataset=digits", "epochs=1", "accelerator=ddp", "accelerator.kind=cpu", "logger=none", "figures=none",
             "metrics=loss_terms"]  # fmt: skip
    done = program("train", "-m", *words, "objective=elbo,ae", "hydra.sweep.dir=sweep")
    assert done.returncode == 0, done.stderr
    folders = sorted(path.parent for path in (tmp_path / "sweep").glob("*/results.json"))
    assert len(folders) == 2
    for folder in folders:
        (row,) = curves_of(folder)
        assert int(row["step"]) == math.ceil(1293 // 2 / 128)  # each process trains on half of the images
    assert not (tmp_path / "outputs").exists()


@pytest.mark.skipif("VAE_LAB_DATA" not in os.environ, reason="VAE_LAB_DATA names no folder with MNIST")
def test_mnist_run_on_real_data(program, tmp_path):
    done = program("train", "model=dense", "epochs=1", "logger=none", "figures=none",
                   "hydra.run.dir=run")  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores = scores_of(tmp_path / "run")
    assert scores["test/recon"] + scores["test/kl"] < 40
    assert scores["test/fid_floor"] < 3 < scores["test/fid_reconstructions"] < scores["test/fid"]


def test_a_refusing_objective_leaves_nothing(cli, tmp_path, monkeypatch):
    from vae_lab.errors import UserError
    from vae_lab.objectives.elbo import ELBO

    def refuse(self, model, batch, step):
        raise UserError("objective=elbo does not combine with this model; type objective=ae")

    monkeypatch.setattr(ELBO, "forward", refuse)
    ended = cli("train", *TINY, *BARE, "hydra.run.dir=run")
    assert ended.status == 2
    assert "does not combine" in ended.err
    assert list(tmp_path.iterdir()) == []
