"""Tests of ``launcher=vectorized`` from the command line, compared with ``launcher=sequence``."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import PROGRAM
from helpers import curves_of, scores_of

WORDS = ["dataset=digits", "dataset.limit=240", "batch_size=16", "epochs=2", "latent_dim=3", "model=dense",
         "model.net.width=16", "training.log_every=4", "metrics=loss_terms", "figures=curves"]  # fmt: skip


def logged(folder: Path) -> list[dict[str, float]]:
    """Return the contents of the folder's W&B run, without the times."""
    (run,) = folder.glob("wandb/offline-run-*")
    found = subprocess.check_output([PROGRAM.with_name("wandb"), "leet", "inspect", "--json", run], text=True)
    records = [json.loads(line) for line in found.splitlines()]
    assert [record["exit"]["exit_code"] for record in records if record["type"] == "exit"] == [0]
    items = [record["history"]["item"] for record in records if record["type"] == "history"]
    timed = ("_runtime", "_timestamp", "epoch_seconds")
    return [{key: value for key, value in item.items() if key not in timed} for item in items]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "wandb/" not in str(path)}


def test_each_job_has_the_numbers_and_files_of_a_run_alone(cli, tmp_path):
    for launcher in ("sequence", "vectorized"):
        ended = cli("train", "-m", *WORDS, "beta=1,4", f"launcher={launcher}", f"hydra.sweep.dir={launcher}")
        assert ended.status == 0, ended.err
        if launcher == "vectorized":
            assert "launcher=joblib" in ended.err
    alone = sorted(path.parent for path in (tmp_path / "sequence").glob("*/results.json"))
    assert len(alone) == 2
    for folder in alone:
        stacked = tmp_path / "vectorized" / folder.name
        assert json.loads((stacked / "environment.json").read_text())["stacked"] == 2
        assert files(stacked) == files(folder)
        assert "picture.png" in files(stacked)
        for row, other in zip(curves_of(stacked), curves_of(folder), strict=True):
            assert {k: float(v) for k, v in row.items()} == pytest.approx(
                {k: float(v) for k, v in other.items()}, rel=1e-4
            )
        assert scores_of(stacked) == pytest.approx(scores_of(folder), rel=1e-4, abs=1e-6)
        ours, theirs = logged(stacked), logged(folder)
        pictures = [item for item in ours if any(key.startswith("figures/") for key in item)]
        assert len(pictures) == 1
        for item, other in zip(ours, theirs, strict=True):
            assert list(item) == list(other)
            numbers = [key for key, value in item.items() if isinstance(value, int | float)]
            assert [item[key] for key in numbers] == pytest.approx([other[key] for key in numbers], rel=1e-3, abs=1e-6)


def test_networks_of_other_shapes_are_stacked_apart(cli, tmp_path):
    words = [*WORDS, "logger=none", "figures=none", "latent_dim=2,3", "beta=1,2", "sweep=mine", "launcher=vectorized"]
    ended = cli("train", "-m", *words)
    assert ended.status == 0, ended.err
    environments = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/sweeps/mine/*/environment.json")]
    assert [one["stacked"] for one in environments] == [2, 2, 2, 2]


def test_the_largest_stack_can_be_set(cli, tmp_path):
    words = [*WORDS, "logger=none", "figures=none", "beta=1,2,3,4,5", "sweep=mine", "launcher=vectorized"]
    ended = cli("train", "-m", *words, "launcher.most=2")
    assert ended.status == 0, ended.err
    assert "; 2 at a time" in ended.out
    environments = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/sweeps/mine/*/environment.json")]
    assert sorted(one.get("stacked", 1) for one in environments) == [1, 2, 2, 2, 2]


def test_no_stack_of_none(cli):
    ended = cli("train", "-m", *WORDS, "beta=1,2", "launcher=vectorized", "launcher.most=0")
    assert ended.status == 2
    assert "launcher.most=0" in ended.err


def test_data_that_cannot_be_reseeded_prevent_the_stack_and_not_the_sweep(cli, tmp_path, monkeypatch):
    def refuse(self, seed):
        raise AttributeError("reseeded")

    monkeypatch.setattr("vae_lab.data.dataset.Dataset.reseeded", refuse)
    ended = cli("train", "-m", *WORDS, "beta=1,4", "launcher=vectorized", "logger=none", "sweep=mine")
    assert ended.status == 0, ended.err
    assert len(list((tmp_path / "outputs" / "sweeps" / "mine").glob("*/results.json"))) == 2
