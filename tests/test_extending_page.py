"""Tests every file and command of ``docs/extending.md``: the files are written, then the commands run in order."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from helpers import scores_of

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`(mylab/\S+)`\n\n```(?:python|yaml)\n(.*?)^```", PAGE, re.M | re.S)
COMMANDS = [line for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]


def words_of(command: str) -> list[str]:
    """The words after ``vae-lab``."""
    _, program, *words = shlex.split(command)
    assert program == "vae-lab"
    return words


@pytest.fixture
def mylab(tmp_path, monkeypatch):
    for name, text in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")


@pytest.mark.parametrize("name", ["sparse", "hierarchy", "phrases"])
def test_the_commands_of_the_page_work_in_their_order(cli, mylab, name):
    commands = [command for command in COMMANDS if f"runs/{name}" in command]
    assert len(commands) > 1
    for command in commands:
        ended = cli(*words_of(command))
        assert ended.status == 0, ended.err
    scores = scores_of(Path("runs") / name)
    assert "test/elbo" in scores
    if name == "hierarchy":
        assert {"test/nll", "test/fid", "test/fid_gmm", "test/active_units"} <= scores.keys()
        assert np.load("runs/hierarchy/samples/n16-seed0.npy").shape == (16, 1, 8, 8)
    if name == "phrases":
        assert {"test/nll", "test/probe_accuracy"} <= scores.keys()
        assert np.load("runs/phrases/samples/n8-seed0.npy").shape == (8, 6)
        assert all(
            len(line.split()) == 6 for line in Path("runs/phrases/samples/n8-seed0.txt").read_text().splitlines()
        )


def test_the_page_has_three_python_files_and_three_yamls():
    assert [Path(name).suffix for name, _ in FILES] == [".py", ".yaml"] * 3
