"""What is noticed about image files reaches the user: on the terminal, in results.json, and as errors of one line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import BARE
from PIL import Image

from vae_lab.data.digits import Digits

TRAIN = ("train", "dataset=image_folder", "dataset.source.path=pics", "model=dense", "batch_size=8", "epochs=1", *BARE,
         "hydra.run.dir=run")  # fmt: skip
SCORE = ("score", "images=pics", "dataset=digits", "logger=none", "metrics=kid", "figures=none", "hydra.run.dir=run")


@pytest.fixture
def pics(tmp_path) -> Path:
    """120 digits on transparent ground, among other files."""
    digits = Digits().load(Path())[0].stored[:120, 0].numpy()
    (tmp_path / "pics").mkdir()
    for i, digit in enumerate(digits):
        Image.fromarray(np.dstack([np.full_like(digit, 255), digit])).save(tmp_path / "pics" / f"{i:03}.png")
    (tmp_path / "pics" / "notes.txt").write_text("hello")
    return tmp_path / "pics"


@pytest.mark.parametrize(("words", "prefix"), [(TRAIN, "dataset.source."), (SCORE, "")], ids=["train", "score"])
def test_notes_about_files_are_printed_and_stored(cli, tmp_path, pics, words, prefix):
    refused = cli(*words)
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert f"has transparent pixels; type {prefix}background=white or {prefix}background=black" in refused.err
    assert not (tmp_path / "run").exists()
    ended = cli(*words, f"{prefix}background=black")
    assert ended.status == 0, ended.err
    assert ended.err == ""
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    left_out, laid_over = results["notes"][:2]
    assert re.fullmatch(r"1 file was left out in .*pics, because only images are read: 1 \.txt\.", left_out)
    assert laid_over == "120 transparent images are laid over black."
    assert ended.out.count(left_out) == ended.out.count(laid_over) == 1
    if words is SCORE:
        assert results["protocol"]["images"]["notes"] == f"{left_out} {laid_over}"


def test_white_strokes_score_well_over_black_alone(cli, tmp_path, pics):
    kid = {}
    for background in ("black", "white"):
        ended = cli(*SCORE[:-1], f"background={background}", f"hydra.run.dir={background}")
        assert ended.status == 0, ended.err
        kid[background] = json.loads((tmp_path / background / "results.json").read_text())["metrics"]["test/kid"]
    assert kid["black"] < 0.1 * kid["white"]


@pytest.mark.parametrize("words", [TRAIN, SCORE], ids=["train", "score"])
@pytest.mark.parametrize(
    ("name", "content"), [("eps.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), ("zero.png", b"")]
)
def test_a_damaged_file_is_one_line_and_leaves_nothing(cli, tmp_path, pics, words, name, content):
    (pics / name).write_bytes(content)
    ended = cli(*words, f"{'dataset.source.' if words is TRAIN else ''}background=black")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert f"{name} cannot be read as an image" in ended.err
    assert not (tmp_path / "run").exists()


def test_background_is_refused_for_an_array(cli, tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((60, 8, 8)))
    ended = cli(*(word if word != "images=pics" else "images=a.npy" for word in SCORE), "background=white")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "background=white: an array has no transparency; leave it out" in ended.err
