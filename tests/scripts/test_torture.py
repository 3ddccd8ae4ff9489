"""Tests of the script that kills commands: its checks find what they should, and one kill of a real run."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from torture import contract  # noqa: E402
from torture.commands import COMMANDS, order  # noqa: E402
from torture.killing import random_moment  # noqa: E402


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a complete file of each kind."""
    made = tmp_path / "here"
    (made / "run").mkdir(parents=True)
    torch.save({"w": torch.arange(500)}, made / "run" / "last.ckpt")
    np.save(made / "run" / "n4.npy", np.arange(100))
    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).save(made / "run" / "a.png")
    (made / "run" / "metrics.csv").write_text("epoch,loss,epoch_seconds\n1,2.5,0.1\n")
    (made / "run" / "results.json").write_text(json.dumps({"fid": 1.5, "fit": {"seconds": 3}}))
    (made / "run" / "config.yaml").write_text("beta: 4\n")
    (made / "compare.html").write_text("<html></html>\n")
    return made


def test_complete_files_are_complete(folder):
    assert contract.incomplete(folder) == []
    assert contract.leftovers(folder) == []
    assert contract.differences(folder, folder) == []


@pytest.mark.parametrize(
    "name",
    [
        "run/last.ckpt",
        "run/n4.npy",
        "run/a.png",
        "run/metrics.csv",
        "run/results.json",
        "run/config.yaml",
        "compare.html",
    ],
)
def test_every_kind_of_cut_file_is_found(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) - 5])
    (problem,) = contract.incomplete(folder)
    assert problem.startswith(f"{name} is incomplete")


@pytest.mark.parametrize("name", [".a.0123abcd.part", ".lock", ".a.npy.lock", ".writable", "optuna.journal.lock"])
def test_every_kind_of_leftover_is_found(folder, name):
    (folder / "run" / name).write_text("")
    assert contract.leftovers(folder) == [f"run/{name} was left behind"]


def test_other_numbers_and_files_are_found_and_other_times_are_not(folder, tmp_path):
    other = tmp_path / "other"
    (other / "run").mkdir(parents=True)
    for path in (folder / "run").iterdir():
        (other / "run" / path.name).write_bytes(path.read_bytes())
    (other / "run" / "metrics.csv").write_text("epoch,loss,epoch_seconds\n1,2.5,9.9\n")
    (other / "run" / "results.json").write_text(json.dumps({"fid": 1.5, "fit": {"seconds": 4}}))
    (folder / "compare.html").unlink()
    assert contract.differences(other, folder) == []
    torch.save({"w": torch.arange(500) + 1}, other / "run" / "last.ckpt")
    (other / "run" / "results.json").write_text(json.dumps({"fid": 1.25, "fit": {"seconds": 4}}))
    (other / "run" / "a.png").unlink()
    assert [problem.split()[0] for problem in contract.differences(other, folder)] == [
        "run/a.png", "run/last.ckpt", "run/results.json"
    ]  # fmt: skip


def test_what_a_command_needs_comes_before_it():
    names = [command.name for command in order(lambda command: command.name == "score")]
    assert names == ["train", "sample", "score"]
    assert len(order(lambda command: True)) == len(COMMANDS)


def test_moments_lie_within_the_life_of_a_command_and_depend_on_the_seed():
    moments = [random_moment(Random(f"0-{n}"), 2.0, 50, False) for n in range(200)]
    assert all(0 <= moment.event <= 50 and 0 <= moment.seconds <= 2 for moment in moments)
    assert len({moment.event for moment in moments}) > 30
    assert moments == [random_moment(Random(f"0-{n}"), 2.0, 50, False) for n in range(200)]


def test_a_run_is_killed_and_finished(tmp_path):
    words = ["--only", "0", "--seed", "0", "--commands", "train", "--folders", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "torture", *words], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" kills, 0 failed, seed 0")
    assert not done.stdout.splitlines()[-1].startswith("0 kills")
