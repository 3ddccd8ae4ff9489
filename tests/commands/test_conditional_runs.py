"""Tests of conditional runs from the command line: training, scoring, sampling by label, comparing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BARE, TINY
from helpers import scores_of
from PIL import Image

import vae_lab
from vae_lab.errors import UserError

FULL = ("metrics=[fast,robustness,nll,aggregate_posterior,probe,novelty]", "metrics.nll.samples=20")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A conditional run on digits, trained long enough for its samples to show their labels."""
    import subprocess

    from conftest import PROGRAM

    folder = tmp_path_factory.mktemp("conditional")
    words = ["train", "dataset=digits", "model=dense", "conditional=true", "latent_dim=2", "epochs=15", "lr=3e-3",
             "likelihood=sigma", "logger=none", "hydra.run.dir=run", *FULL]  # fmt: skip
    done = subprocess.run([PROGRAM, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    (folder / "run" / "stdout.txt").write_text(done.stdout)
    return folder / "run"


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_every_score_and_picture_that_applies_is_there(made):
    scores = scores_of(made)
    assert scores["test/conditional_accuracy"] > 0.9
    assert 0.9 < scores["test/conditional_accuracy_floor"] <= 1
    assert {"test/fid", "test/nll", "test/mmd", "test/denoising_mse", "test/anomaly_p99", "test/probe_accuracy",
            "test/ood_auroc_rotated_elbo"} <= set(scores)  # fmt: skip
    assert not any("uniform" in name for name in scores)
    drawn = {path.stem for path in (made / "figures").iterdir()}
    assert {"class_samples", "reconstructions", "samples", "denoising", "typical", "ood_roc", "latent_space"} <= drawn
    assert "noise_to_digit" not in drawn


def test_the_condition_stands_in_title_and_protocol(made):
    told = (made / "stdout.txt").read_text()
    assert ", conditional, " in told
    assert "No ood_auroc of noise" in told
    protocol = json.loads((made / "results.json").read_text())["protocol"]
    assert protocol["fid"]["sampler"].endswith("labels drawn as in training")
    assert "given" not in protocol["fid"]
    assert protocol["nll"]["given"] == protocol["loss_terms"]["given"] == "the images' labels"


def test_samples_of_a_label_show_it(made):
    run = vae_lab.load_run(made)
    network = run.evaluation.classifier
    for label in (0, 7):
        read = network(run.sample(100, y=label))[1].argmax(1)
        assert (read == label).float().mean() > 0.8
    in_turn = network(run.sample(200, y=[1, "4"]))[1].argmax(1)
    assert (in_turn == torch.tensor([1, 4] * 100)).float().mean() > 0.8
    drawn = torch.bincount(network(run.sample(1000))[1].argmax(1), minlength=10)
    assert drawn.min() > 50


def test_sample_writes_the_label_into_names_and_draws_labels_without_it(cli, run, tmp_path):
    for words, name in ([[], "n6-seed0"], [["y=7"], "n6-seed0-y7"], [["y=[0,1]"], "n6-seed0-y0_1"]):
        ended = cli("sample", "run=run", "n=6", *words)
        assert ended.status == 0, ended.err
        images = np.load(run / "samples" / f"{name}.npy")
        y = json.loads(words[0].removeprefix("y=")) if words else None
        assert np.array_equal(images, vae_lab.load_run(run).sample(6, y=y).numpy())
        assert (run / "samples" / f"{name}.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("word", "told"), [("y=11", "no such label"), ("y=[a]", "no such label"), ("y=true", "type y=7")]
)
def test_an_unknown_label_is_refused_in_one_line_and_nothing_is_written(cli, run, word, told):
    ended = cli("sample", "run=run", word)
    assert ended.status == 2
    assert told in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert not (run / "samples").exists()


def test_a_run_that_is_not_conditional_refuses_y(cli, run_copy):
    ended = cli("sample", "run=run", "y=7")
    assert ended.status == 2
    assert ended.err == (
        "vae-lab sample: y=7: this run is not conditional; leave y out, or train with conditional=true\n"
    )
    assert not (run_copy / "samples").exists()
    with pytest.raises(UserError, match="not conditional"):
        vae_lab.load_run(run_copy).sample(2, y=7)


def test_scoring_again_gives_the_same(cli, run):
    before = scores_of(run)
    assert cli("evaluate", "run=run", "metrics=[fast,aggregate_posterior]", "figures=class_samples").status == 0
    assert scores_of(run) == before


def test_it_is_compared_with_an_unconditional_run(cli, run, finished, tmp_path):
    from vae_lab.compare.protocols import protocol_key
    from vae_lab.compare.reading import read

    shutil.copytree(finished, tmp_path / "other")
    ended = cli("compare", "run", "other", "out=page")
    assert ended.status == 0, ended.err
    page = (tmp_path / "page" / "compare.html").read_text()
    assert page.count("data:image/png;base64") >= 4
    two = [read(tmp_path / name) for name in ("run", "other")]
    assert protocol_key(two[0], "test/fid") == protocol_key(two[1], "test/fid")
    assert protocol_key(two[0], "test/elbo") != protocol_key(two[1], "test/elbo")


def test_a_dataset_without_labels_is_refused_before_anything_is_written(cli, tmp_path):
    for i in range(20):
        Image.new("L", (8, 8), i).save(_made(tmp_path / "pics") / f"{i}.png")
    ended = cli("train", "dataset=image_folder", "dataset.source.path=pics", "conditional=true", "batch_size=4", *BARE)
    assert ended.status == 2
    assert "conditional=true: this dataset has no labels" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["pics"]


def test_factors_of_sprites_are_attributes_from_training_to_samples(cli, tmp_path):
    words = [word for word in (*TINY, *BARE) if not word.startswith(("dataset=", "metrics", "figures"))]
    ended = cli("train", *words, "dataset=sprites", "dataset.source.positions=2", "dataset.source.orientations=2",
                "dataset.source.labels=factors", "conditional=true", "model=dense", "dataset.val_share=0.1",
                *FULL, "hydra.run.dir=run")  # fmt: skip
    assert ended.status == 0, ended.err
    assert "no labels" not in ended.out  # a classifier reads attributes, too
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["protocol"]["nll"]["given"] == "the images' attributes"
    y = "y=[0,0,1,0.5,0,1,0.5,0.5]"
    assert cli("sample", "run=run", "n=3", y).status == 0
    assert (tmp_path / "run" / "samples" / "n3-seed0-y0_0_1_0.5_0_1_0.5_0.5.npy").exists()
    assert cli("sample", "run=run", "n=3").status == 0
    refused = cli("sample", "run=run", "n=3", "y=2")
    assert refused.status == 2
    assert "takes 8 numbers; type y=[0.5,0.5" in refused.err
    assert "for square, ellipse, heart, scale, sin, cos, x, y" in refused.err


def test_a_folder_with_attributes_trains_and_samples(cli, tmp_path):
    folder = _made(tmp_path / "pics")
    for i in range(20):
        Image.new("L", (8, 8), 10 * i).save(folder / f"{i}.png")
    (folder / "attributes.csv").write_text("file,light\n" + "".join(f"{i}.png,{i / 20}\n" for i in range(20)))
    ended = cli("train", "dataset=image_folder", "dataset.source.path=pics", "conditional=true", "model=dense",
                "batch_size=6", "epochs=60", "lr=1e-2", "latent_dim=2", *BARE, "hydra.run.dir=run")  # fmt: skip
    assert ended.status == 0, ended.err
    run = vae_lab.load_run(tmp_path / "run")
    dark, light = (run.sample(20, y=value).mean() for value in (0.1, 0.8))
    assert light - dark > 0.2


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_codes_of_a_fitted_sampler_are_decoded_with_labels_too(cli, run):
    ended = cli("evaluate", "run=run", "sampler=gmm", "sampler.components=2", "metrics=label_distribution",
                "figures=none")  # fmt: skip
    assert ended.status == 0, ended.err
    results = json.loads((run / "results.json").read_text())
    assert results["metrics"]["test/label_distance_gmm"] < 0.3
    assert results["protocol"]["label_distribution_gmm"]["sampler"].endswith("labels drawn as in training")
    assert any("labels were drawn apart from the codes" in note for note in results["notes"])
    assert cli("sample", "run=run", "n=50", "y=3", "sampler=gmm", "sampler.components=2").status == 0
    images = torch.from_numpy(np.load(run / "samples" / "n50-seed0-y3-gmm.npy"))
    read = vae_lab.load_run(run).evaluation.classifier(images)[1].argmax(1)
    assert (read == 3).float().mean() > 0.8
