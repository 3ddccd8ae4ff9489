"""Some random command lines and combinations, and tests of what the fuzzer counts as a violation."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from fuzz import contract  # noqa: E402
from fuzz.child import Ended  # noqa: E402
from fuzz.combinations import lines_of_combination  # noqa: E402
from fuzz.trial import KINDS, lines_of  # noqa: E402


def test_random_lines_and_combinations_keep_to_the_contract(tmp_path):
    words = [sys.executable, str(ROOT / "scripts" / "fuzz"), *KINDS, "--count", "3", "--seed", "14"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("0 violations") >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_trial_depends_on_its_seed_and_number_alone(kind):
    assert lines_of(kind, 1, 2) == lines_of(kind, 1, 2)
    assert lines_of(kind, 1, 2) != lines_of(kind, 1, 3)


def test_every_option_of_the_groups_that_are_cheap_is_tried():
    import random

    from vae_lab.config.help import groups

    typed = {word for number in range(400) for word in lines_of_combination(random.Random(number))[0]}
    for group in ("model", "objective", "likelihood", "posterior", "prior", "optimizer", "scheduler", "dataset"):
        assert {f"{group}={option}" for option in groups()[group]} <= typed


def found(status: int, err: str = "", out: str = "x" * 50, words: tuple[str, ...] = ("train",), folder=Path()) -> list:
    tree: contract.Tree = {"run": (-1, -1)}
    return contract.violations(list(words), Ended(status, out, err, 0.1), tree, tree, folder)


@pytest.mark.parametrize(
    ("status", "err", "wrong"),
    [
        (2, "vae-lab train: a=1: no such key\n", None),
        (2, "", "0 lines"),
        (2, "one\ntwo\n", "2 lines"),
        (2, "x" * 500, "a line of 500 characters"),
        (2, "usage: vae-lab\n", "'usage: '"),
        (1, "ValueError: x (please report it)\n", "'please report it'"),
        (0, "UserWarning: x\n", "'Warning'"),
        (0, "", None),
        (3, "", "exit status 3"),
        (130, "stopped\n", "interrupted"),
        (-9, "", "exit status -9"),
    ],
)
def test_each_breach_is_found(status, err, wrong):
    told = found(status, err)
    assert (told == []) if wrong is None else any(wrong in each for each in told)


def test_a_refused_line_that_writes_is_found(tmp_path):
    ended = Ended(2, "", "vae-lab train: no\n", 0.1)
    assert "changes outputs" in contract.violations(["train"], ended, {}, {"outputs": (-1, -1)}, tmp_path)[0]


def test_a_run_that_is_not_complete_is_found(tmp_path):
    (tmp_path / "config.yaml").touch()
    ended = Ended(0, "", "", 0.1)
    (told,) = contract.violations(["train"], ended, {}, contract.tree_of(tmp_path), tmp_path)
    assert "is not complete" in told
