"""Tests of ``vae-lab score``, which scores given images under the same protocol as trained runs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import vae_lab
from vae_lab.data.digits import Digits
from vae_lab.errors import UserError

WORDS = ("dataset=digits", "logger=none", "hydra.run.dir=scored")


def digits(split: int = 0) -> np.ndarray:
    """The images of digits, uint8 [N, 8, 8]: split 0 is the training set, split 1 the test set."""
    images = Digits().load(Path())[split]
    return images.at(torch.arange(len(images)))[0][:, 0].numpy()


@pytest.fixture
def real(tmp_path) -> Path:
    np.save(tmp_path / "real.npy", digits())
    return tmp_path / "real.npy"


def results(tmp_path) -> dict:
    return json.loads((tmp_path / "scored" / "results.json").read_text())


def test_training_images_score_as_the_floor_does_and_noise_far_worse(cli, tmp_path, real):
    assert cli("score", f"images={real}", *WORDS, "range=255").status == 0
    values = results(tmp_path)["metrics"]
    assert values["test/fid"] < 2 * values["test/fid_floor"]
    assert values["test/precision"] == pytest.approx(values["test/precision_floor"], abs=0.05)
    assert values["test/near_copies"] == 1.0  # because the given images are the training images
    assert values["test/novelty_closer"] > 0.99
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).random((400, 8, 8), np.float32))
    assert cli("score", "images=noise.npy", *WORDS[:2], "hydra.run.dir=noise").status == 0
    noise = json.loads((tmp_path / "noise" / "results.json").read_text())["metrics"]
    assert noise["test/fid"] > 10 * values["test/fid"]
    assert noise["test/kid"] > 10 * abs(values["test/kid"])
    assert noise["test/coverage"] < 0.2 < values["test/coverage"]
    assert noise["test/near_copies"] == 0.0


def test_the_folder_records_the_scored_images_and_the_settings(cli, tmp_path, real):
    ended = cli("score", f"images={real}", *WORDS, "range=255")
    folder = tmp_path / "scored"
    assert "1437 × 8 × 8" in ended.out
    assert "read as 0–255" in ended.out
    protocol = results(tmp_path)["protocol"]
    assert protocol["images"]["count"] == 1437
    assert len(protocol["images"]["sha256"]) == 64
    assert protocol["fid"]["images"] == 360
    assert protocol["fid"]["sampler"] == "given images, real.npy"
    assert len(protocol["fid"]["extractor_sha256"]) == 64
    assert set(results(tmp_path)["meanings"]) == set(results(tmp_path)["metrics"])
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "samples.png", "label_shares.png", "novelty.png", "neighbours.png",
    }  # fmt: skip
    assert yaml.safe_load((folder / "config.yaml").read_text())["images"] == str(real)
    assert json.loads((folder / "environment.json").read_text())["command"].startswith("vae-lab score images=")


def test_a_folder_and_an_array_of_the_same_images_score_the_same(cli, tmp_path):
    (tmp_path / "pngs").mkdir()
    for i, pixels in enumerate(digits()[:300]):
        Image.fromarray(pixels).save(tmp_path / "pngs" / f"{i:03}.png")
    np.save(tmp_path / "same.npy", digits()[:300])
    for images, folder in (("pngs", "a"), ("same.npy", "b")):
        ended = cli("score", f"images={images}", *WORDS[:2], "range=255", "metrics=[fid,kid]", "figures=none",
                    f"hydra.run.dir={folder}")  # fmt: skip
        assert ended.status == 0, ended.err
    a, b = (json.loads((tmp_path / folder / "results.json").read_text())["metrics"] for folder in "ab")
    assert a == b


def test_a_run_and_its_own_samples_get_the_same_scores(cli, finished, tmp_path):
    run = vae_lab.load_run(finished)
    x = torch.cat(list(run.evaluation.sample(360)))
    np.save(tmp_path / "samples.npy", x.numpy())
    ended = cli("score", "images=samples.npy", *WORDS, "metrics=[fid,label_distribution]", "figures=none")
    assert ended.status == 0, ended.err
    values = results(tmp_path)["metrics"]
    for name in ("test/fid", "test/fid_floor", "test/label_distance", "test/label_confidence"):
        assert values[name] == pytest.approx(run.scores[name], rel=1e-4), name


def test_a_finished_folder_is_not_overwritten_and_is_no_run_to_evaluate(cli, tmp_path, real):
    words = ("score", f"images={real}", *WORDS, "range=255", "metrics=kid", "figures=none")
    assert cli(*words).status == 0
    before = (tmp_path / "scored" / "results.json").read_bytes()
    again = cli(*words)
    assert again.status == 2
    assert "never overwritten" in again.err
    assert (tmp_path / "scored" / "results.json").read_bytes() == before
    ended = cli("evaluate", "run=scored")
    assert ended.status == 2
    assert "not a trained run" in ended.err


def test_it_logs_to_weights_and_biases_offline(program, tmp_path, real):
    """This test starts a separate process, because W&B changes the environment variables of its process."""
    done = program("score", f"images={real}", "dataset=digits", "hydra.run.dir=scored", "range=255", "metrics=kid",
                   "figures=none")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "scored" / "wandb").glob("offline-run-*/run-*.wandb"))


def write_bad(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good = rng.random((200, 8, 8))
    broken = good.copy()
    broken[17, 3, 3] = np.nan
    arrays = {
        "nan": broken, "rgb": rng.random((200, 3, 8, 8)), "wide": rng.random((200, 8, 9)), "few": good[:50],
        "negative": 2 * good - 1, "doubt": (good > 0.5).astype(np.uint8), "over": 1.5 * good,
        "flat": good.reshape(200, 64), "none": good[:0], "words": np.array(["a", "b"]),
    }  # fmt: skip
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "objects.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    (tmp_path / "truncated.npy").write_bytes((tmp_path / "few.npy").read_bytes()[:300])
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "mixed" / "a.png")
    Image.new("L", (8, 9)).save(tmp_path / "mixed" / "b.png")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "a.png").write_bytes(b"no image")


BAD = {
    "images=nowhere": "no such file or folder",
    "images=empty": "no image",
    "images=mixed": "b.png is 9×8 grey, a.png is 8×8 grey",
    "images=damaged": "cannot be read as an image",
    "images=notes.txt": "arrays are read from .npy, .npz, .mat",
    "images=nan.npy": "image 17 has values that are NaN",
    "images=rgb.npy": "3 channels, the dataset has 1; type channels=grey",
    "images=wide.npy": "images of 8×9, the dataset's are 8×8",
    "images=few.npy": "50 images are given, fid needs 129, one more than its 128 features",
    "images=negative.npy": "so 0 may not mean black; type range=[",
    "images=doubt.npy": "may mean 0–1 or 0–255; type range=1 or range=255",
    "images=over.npy": "may mean 0–",
    "images=flat.npy axes=[N,H]": "axes=[N,H]: N, H and W are needed once each",
    "images=none.npy": "there is no image in it",
    "images=words.npy": "has no array of numbers",
    "images=objects.npy": "has no array of numbers",
    "images=truncated.npy": "damaged or no .npy file",
    "images=few.npy metrics=nll": "nll needs a trained model",
    "images=few.npy metrics=kid figures=latent_space": "latent_space needs a trained model",
    "images=few.npy metrics=none": "leaves nothing to score",
    "images=few.npy metrics=kid range=-7": "range=-7: black, then white",
    "images=few.npy metrics=kid range=white": "range=white",
    "images=few.npy metrics=kid channels=blue": "channels=blue",
    "images=few.npy metrics=kid channels=grey": "leave it out",
    "images=few.npy features=inception features.weights=nowhere": "no such file",
    "images=few.npy metrics=fid.x": "metrics=fid.x",
    "images=few.npy epochs=3": "epochs",
    "metrics=kid": "images is needed",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(cli, tmp_path, words):
    write_bad(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    ended = cli("score", *words.split(), *WORDS)
    assert (ended.status, ended.err.count("\n")) == (2, 1), ended.err
    assert BAD[words] in ended.err
    assert sorted(tmp_path.rglob("*")) == before


def test_without_labels_there_must_be_other_features(cli, tmp_path):
    (tmp_path / "heap").mkdir()
    for i, pixels in enumerate(digits()[:60]):
        Image.fromarray(pixels).save(tmp_path / "heap" / f"{i}.png")
    ended = cli("score", "images=heap", "dataset=image_folder", "dataset.source.path=heap", *WORDS[1:])
    assert ended.status == 2
    assert "has no labels" in ended.err
    assert "features=inception" in ended.err
    assert not (tmp_path / "scored").exists()


def test_ctrl_c_leaves_no_empty_folder(cli, tmp_path, real, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("vae_lab.commands.score.GivenImages", stopped)
    ended = cli("score", f"images={real}", *WORDS, "range=255")
    assert (ended.status, ended.err.strip()) == (130, "vae-lab score: stopped")
    assert not (tmp_path / "scored").exists()


def test_evaluate_refuses_scores_of_images(tmp_path):
    (tmp_path / "config.yaml").write_text("images: x.npy\n")
    with pytest.raises(UserError, match="not a trained run"):
        vae_lab.load_run(tmp_path)


def test_scores_that_a_killed_command_has_not_finished_are_written_again(cli, tmp_path, real):
    words = ("score", f"images={real}", *WORDS, "range=255", "metrics=prdc", "figures=none")
    assert cli(*words).status == 0
    before = results(tmp_path)
    assert "never overwritten" in cli(*words).err
    (tmp_path / "scored" / "results.json").unlink()
    ended = cli(*words)
    assert ended.status == 0, ended.err
    assert results(tmp_path) == before


def test_the_folder_of_a_run_is_not_taken_for_unfinished_scores(cli, run_copy, tmp_path, real):
    (run_copy / "results.json").unlink()
    ended = cli("score", f"images={real}", "dataset=digits", "logger=none", "hydra.run.dir=run", "range=255")
    assert ended.status == 2
    assert "holds an interrupted run; type vae-lab train resume=run" in ended.err


def test_a_sweep_that_cannot_be_composed_leaves_no_folder(cli, tmp_path):
    np.save("images.npy", np.zeros((9, 8, 8), np.uint8))
    ended = cli("score", "images=images.npy", "dataset=digits", "metrics=images", "metrics.nope=1", "seed=1,2", "-m")
    assert (ended.status, ended.out) == (2, "")
    assert not (tmp_path / "outputs").exists()
