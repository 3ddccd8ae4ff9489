import errno
import subprocess
import sys

import pytest
import torch
from helpers import gen
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from vae_lab.features.remembered import VERSION, remembered


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path))
    return tmp_path / "features"


class Counted:
    """Returns fixed features and logits, and counts its calls."""

    def __init__(self, seed: int = 0) -> None:
        self.calls = 0
        self.made = torch.randn(9, 4, generator=gen(seed)), torch.randn(9, 3, generator=gen(seed + 1))

    def __call__(self):
        self.calls += 1
        return self.made


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_features_are_computed_once_and_then_read(folder):
    compute = Counted()
    assert all(same(remembered("key", compute), compute.made) for _ in range(3))
    assert compute.calls == 1


def test_another_key_is_computed_by_itself(folder):
    remembered("key", Counted())
    other = Counted(5)
    assert same(remembered("other", other), other.made)
    assert other.calls == 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "other", "one bit", "no hash", "exchanged"])
def test_a_damaged_file_is_made_anew(folder, damage):
    remembered("key", Counted())
    (file,) = folder.iterdir()
    whole = load_file(file)
    if damage == "other":
        save_file({"unknown": torch.zeros(3)}, file)
    elif damage == "no hash":
        save_file(whole, file)
    elif damage == "exchanged":
        with safe_open(file, "pt") as opened:
            save_file({**whole, "features": whole["features"].flip(0)}, file, opened.metadata())
    elif damage == "one bit":
        content = bytearray(file.read_bytes())
        content[-2] ^= 1
        file.write_bytes(content)
    else:
        file.write_bytes({"truncated": file.read_bytes()[:-10], "empty": b"", "text": b"no tensors at all"}[damage])
    compute = Counted()
    assert same(remembered("key", compute), compute.made)
    assert same(remembered("key", compute), compute.made)
    assert compute.calls == 1


def test_tensors_in_any_layout_are_kept(folder):
    features = torch.randn(4, 9, generator=gen()).T
    logits = torch.randn(9, 6, generator=gen())[:, ::2]
    remembered("key", lambda: (features, logits))
    assert same(remembered("key", Counted()), (features, logits))


def test_nothing_unfinished_stays_behind(folder):
    remembered("key", Counted())
    assert [file.name for file in folder.iterdir()] == [f"key-{VERSION}.safetensors"]


def test_a_failure_leaves_no_file(folder):
    def fail():
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        remembered("key", fail)
    assert list(folder.iterdir()) == []


def test_read_values_have_the_type_and_shape_of_the_computed_ones(folder):
    made = torch.randn(5, 2, generator=gen()).half(), torch.zeros(5, 0)
    remembered("key", lambda: made)
    found = remembered("key", Counted())
    assert same(found, made)
    assert [part.dtype for part in found] == [torch.float16, torch.float32]


_PROCESS = """
import sys, torch
from vae_lab.features.remembered import remembered
for i in range(200):
    made = torch.full((50, 4), 1.0 + i % 3), torch.full((50, 3), 1.0 + i % 3)
    features, logits = remembered(str(i % 3), lambda: made)
    assert torch.equal(features, made[0]) and torch.equal(logits, made[1])
    if i % 20 == int(sys.argv[1]):
        for file in __import__("pathlib").Path(sys.argv[2]).glob("*.safetensors"):
            file.unlink(missing_ok=True)
"""


def test_two_processes_at_once_do_not_disturb_each_other(folder):
    both = [subprocess.Popen([sys.executable, "-c", _PROCESS, str(i), str(folder)]) for i in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert not list(folder.glob("*.part"))


def test_without_a_cache_they_are_computed_each_time(monkeypatch, tmp_path):
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path / "blocked" / "cache"))
    compute = Counted()
    assert same(remembered("key", compute), compute.made)
    assert same(remembered("key", compute), compute.made)
    assert compute.calls == 2


def test_a_disk_that_is_full_costs_no_second_computation(folder, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    compute = Counted()
    assert same(remembered("key", compute), compute.made)
    assert compute.calls == 1
    assert list(folder.iterdir()) == []
