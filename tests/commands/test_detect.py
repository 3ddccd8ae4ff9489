import csv
import json

import numpy as np
import pytest
from PIL import Image

DIGITS = ("dataset=digits", "likelihood=sigma", "logger=none", "metrics=none", "figures=none", "model=dense")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run on digits and one on the digits upside down, each for a few epochs, and a sweep over two seeds."""
    import os

    from hydra.core.global_hydra import GlobalHydra

    from vae_lab.cli import _main

    folder = tmp_path_factory.mktemp("runs")
    here = os.getcwd()
    os.chdir(folder)
    try:
        for words in (
            [*DIGITS, "epochs=15", "hydra.run.dir=digits"],
            [*DIGITS, "epochs=1", "dataset.keep=[0,1]", "batch_size=32", "hydra.run.dir=some"],
            [*DIGITS, "epochs=1", "conditional=true", "hydra.run.dir=conditional"],
            [*DIGITS, "epochs=1", "objective=ae", "hydra.run.dir=ae"],
            ["-m", *DIGITS, "epochs=1", "seed=0,1", "sweep=seeds"],
        ):
            GlobalHydra.instance().clear()
            assert _main(["train", *words]) == 0
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def detect(cli, runs, tmp_path):
    """Calls ``vae-lab detect`` with images: twenty digits and four of noise."""
    from sklearn.datasets import load_digits

    images = (load_digits().images[-20:] / 16 * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (4, 8, 8)).astype(np.uint8)
    (tmp_path / "pictures" / "odd").mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "pictures" / f"{i:02d}.png")
    for i, image in enumerate(noise):
        Image.fromarray(image).save(tmp_path / "pictures" / "odd" / f"{i}.png")
    np.save(tmp_path / "pictures.npy", np.concatenate([images, noise]))
    return lambda run, *words: cli("detect", f"run={runs / run}", "out=found", *words)


def rows(path):
    return list(csv.DictReader(path.open()))


def test_noise_is_flagged_and_sorted_first(detect, tmp_path):
    ended = detect("digits", "images=pictures", "scores=[recon,elbo]", "false_alarms=0.05")
    assert ended.status == 0, ended.err
    assert {path.name for path in (tmp_path / "found").iterdir()} == {
        "detection.json", *(f"{score}{end}" for score in ("recon", "elbo")
                            for end in (".csv", "_histogram.png", "_sheet.png")),
    }  # fmt: skip
    table = rows(tmp_path / "found" / "recon.csv")
    assert len(table) == 24
    assert {row["file"] for row in table[:4]} == {f"odd/{i}.png" for i in range(4)}
    assert [row["flagged"] for row in table[:4]] == ["true"] * 4
    values = [float(row["score"]) for row in table]
    assert values == sorted(values, reverse=True)
    about = json.loads((tmp_path / "found" / "detection.json").read_text())["scores"][0]
    held_out = 144
    for row in table:  # the flag follows from the p-value, so that the threshold can be moved afterwards
        assert (
            (row["flagged"] == "true") == (float(row["p_value"]) <= 0.05) == (float(row["score"]) > about["threshold"])
        )
        assert float(row["p_value"]) * (held_out + 1) == pytest.approx(round(float(row["p_value"]) * (held_out + 1)))
    assert about["held_out"] == f"{held_out:,} validation images"
    assert f"like the {held_out} held-out validation images, at most 5 % are flagged" in ended.out


def test_an_array_has_indices_and_gives_the_same_scores(detect, tmp_path):
    assert detect("digits", "images=pictures").status == 0
    (tmp_path / "found").rename(tmp_path / "of_files")
    assert detect("digits", "images=pictures.npy").status == 0
    by_file, by_index = rows(tmp_path / "of_files" / "recon.csv"), rows(tmp_path / "found" / "recon.csv")
    assert [row["score"] for row in by_file] == [row["score"] for row in by_index]
    assert {int(row["index"]) for row in by_index[:4]} == {20, 21, 22, 23}


def test_images_of_other_sizes_and_modes_are_brought_to_those_of_the_run(detect, tmp_path):
    (tmp_path / "mixed").mkdir()
    for i, (size, mode) in enumerate([((32, 32), "L"), ((20, 13), "RGB"), ((8, 8), "L")]):
        Image.open(tmp_path / "pictures" / "00.png").resize(size).convert(mode).save(tmp_path / "mixed" / f"{i}.png")
    ended = detect("digits", "images=mixed", "held_out=99")
    assert ended.status == 0, ended.err
    assert "2 of 3 images were brought to 8×8 grey like the images of this run" in ended.out
    about = json.loads((tmp_path / "found" / "detection.json").read_text())["images"]
    assert (about["kind"], about["values"]) == ("3 image files", "read as 0–255")
    assert "brought to 8×8 grey" in about["notes"]
    assert len(about["sha256"]) == 64
    assert {row["file"] for row in rows(tmp_path / "found" / "recon.csv")} == {"0.png", "1.png", "2.png"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["images=nowhere"], "images=nowhere: no such file or folder; type images=<folder of images>, an image file, "
                             "or an array (.npy, .npz, .mat, HDF5)"),
        (["images=pictures", "false_alarms=0.001", "held_out=100"], "type false_alarms=0.01 or more"),
        (["against=nowhere"], "against=nowhere: no such folder"),
    ],
)  # fmt: skip
def test_errors_that_the_settings_show_come_before_anything_is_loaded(detect, monkeypatch, words, told):
    def loaded(*_):
        raise AssertionError("the model or the data were loaded")

    monkeypatch.setattr("vae_lab.runs.run.make_data", loaded)
    monkeypatch.setattr("vae_lab.runs.run.make_job_of", loaded)
    ended = detect("digits", *words)
    assert ended.status == 2
    assert told in ended.err


def test_nothing_is_overwritten_and_nothing_half_written(detect, tmp_path):
    assert detect("digits", "images=pictures").status == 0
    before = (tmp_path / "found" / "recon.csv").read_bytes()
    ended = detect("digits", "images=pictures")
    assert ended.status == 2
    assert "found already exists and is not overwritten; type out=<another folder>" in ended.err
    assert (tmp_path / "found" / "recon.csv").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize(
    ("run", "words", "told"),
    [
        ("digits", [], "type either images=<folder or array>, or against=<run of another dataset>"),
        ("digits", ["images=nowhere"], "images=nowhere: no such file or folder"),
        ("digits", ["images=pictures", "false_alarms=0.001"], "nothing could be flagged; type false_alarms=0.0069"),
        ("digits", ["images=pictures", "scores=waic"], "scores=waic: it needs several runs that differ in their seed"),
        ("ae", ["images=pictures", "scores=kl"], "scores=kl: this objective trains no q(z|x); type scores=recon"),
        ("ae", ["images=pictures", "scores=likelihood_regret"], "this objective trains no q(z|x); type scores=recon"),
        ("conditional", ["images=pictures"], "the model is conditional and scores an image given its label"),
        ("digits", ["against=digits"], "against=digits: no such folder"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(detect, tmp_path, run, words, told):
    ended = detect(run, *words)
    assert ended.status == 2
    assert told in ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "found").exists()


def test_a_set_of_scores_leaves_out_what_makes_no_sense(detect, tmp_path):
    ended = detect("ae", "images=pictures", "scores=all")
    assert ended.status == 0, ended.err
    assert {path.stem for path in (tmp_path / "found").glob("*.csv")} == {"recon", "latent_path"}
    assert "No elbo: this objective trains no q(z|x)." in ended.out


def test_a_sweep_over_seeds_has_waic(detect, runs, tmp_path):
    ended = detect("outputs/sweeps/seeds", "images=pictures", "scores=waic")
    assert ended.status == 0, ended.err
    table = rows(tmp_path / "found" / "waic.csv")
    places = [i for i, row in enumerate(table) if row["file"].startswith("odd")]
    assert sum(places) / 4 < 5  # after one epoch, noise is among the first of 24


def test_two_runs_are_compared_both_ways(detect, runs, tmp_path):
    ended = detect("digits", f"against={runs / 'some'}", "n=100", "scores=[recon,kl]")
    assert ended.status == 0, ended.err
    table = rows(tmp_path / "found" / "both_ways.csv")
    assert [row["score"] for row in table] == ["recon", "kl", "recon", "kl"]
    for row in table:
        assert 0 <= float(row["auroc_low"]) <= float(row["auroc"]) <= float(row["auroc_high"]) <= 1
        assert row["normal_images"] == row["anomalous_images"] == "100"
    assert (tmp_path / "found" / "both_ways.png").is_file()
    assert "FPR95" in ended.out
    ended = detect("digits", f"against={runs / 'digits'}", "out=other")
    assert ended.status == 2
    assert "both runs are of digits" in ended.err
    ended = detect("outputs/sweeps/seeds", f"against={runs / 'some'}", "n=50", "scores=waic", "out=seeds")
    assert ended.status == 0, ended.err  # the other run has no ensemble, so that one way remains
    (row,) = rows(tmp_path / "seeds" / "both_ways.csv")
    assert (row["score"], row["normal_images"]) == ("waic", "50")
    assert "waic" in ended.out
