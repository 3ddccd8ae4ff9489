"""Tests of the files that ``vae-lab sample`` writes, and of those that a killed command has left."""

import shutil

import numpy as np
import pytest

WORDS = ("sample", "run=run", "n=4", "out=new", "dir=pngs")


@pytest.fixture
def written(cli, run_copy, tmp_path):
    """The files of a command that was not disturbed, and their contents."""
    assert cli(*WORDS).status == 0
    return {path: path.read_bytes() for path in [*(tmp_path / "new").iterdir(), *(tmp_path / "pngs").iterdir()]}


def test_all_files_are_written_and_nothing_else(written):
    names = sorted(path.name for path in written)
    assert names == ["0.png", "1.png", "2.png", "3.png", "n4-seed0.npy", "n4-seed0.png"]


@pytest.mark.parametrize(
    "missing", [["pngs"], ["pngs", "new/n4-seed0.png"], ["pngs", "new/n4-seed0.npy"], ["new", "pngs"]]
)
def test_the_same_command_completes_what_a_killed_one_has_left(cli, written, tmp_path, missing):
    for name in missing:
        path = tmp_path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    ended = cli(*WORDS)
    assert ended.status == 0, ended.err
    assert {path: path.read_bytes() for path in written} == written
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("words", [WORDS, WORDS[:4]])
def test_complete_files_are_never_overwritten(cli, written, words):
    ended = cli(*words)
    assert ended.status == 2
    assert "already exists and is not overwritten" in ended.err
    assert {path: path.read_bytes() for path in written} == written


def test_a_folder_that_holds_something_else_is_not_touched(cli, run_copy, tmp_path):
    (tmp_path / "pngs").mkdir()
    (tmp_path / "pngs" / "mine.txt").write_text("mine")
    ended = cli(*WORDS)
    assert ended.status == 2
    assert "pngs already exists and is not overwritten" in ended.err
    assert not (tmp_path / "new").exists()


def test_an_empty_folder_is_filled(cli, run_copy, tmp_path):
    (tmp_path / "pngs").mkdir()
    assert cli(*WORDS).status == 0
    assert len(list((tmp_path / "pngs").iterdir())) == 4
    assert np.load(tmp_path / "new" / "n4-seed0.npy").shape == (4, 1, 8, 8)


def test_a_temperature_is_in_the_names_and_scales_the_codes(cli, run_copy, tmp_path):
    assert cli("sample", "run=run", "n=64", "temperature=0.1").status == 0
    assert cli("sample", "run=run", "n=64").status == 0
    cool, usual = (np.load(tmp_path / f"run/samples/n64-seed0{scale}.npy") for scale in ("-t0.1", ""))
    assert 0 < cool.std(0).mean() < usual.std(0).mean()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["temperature=-1"], "temperature=-1: must be greater than or equal to 0; type temperature=0.7"),
        (["temperature=[0.5,-1]"], "temperature.1=-1: must be greater than or equal to 0"),
        (["temperature=[0.5,1]"], "temperature has 2 entries, and this model has 1 level of latents; type one number"),
        (["temperature=0.5", "sampler=aggregate"], "which a temperature does not change; type temperature=1"),
    ],
)
def test_a_temperature_that_means_nothing_is_refused(cli, run_copy, tmp_path, words, message):
    ended = cli("sample", "run=run", "n=4", *words)
    assert ended.status == 2
    assert message in ended.err
    assert not list((tmp_path / "run").glob("samples/*"))
