import pytest
import torch
from helpers import gen
from safetensors.torch import save_file

from vae_lab.metrics.reference import remembered


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path))
    return tmp_path / "features"


class Counted:
    """Features and logits, and how often they were computed."""

    def __init__(self, seed: int = 0) -> None:
        self.calls = 0
        self.made = torch.randn(9, 4, generator=gen(seed)), torch.randn(9, 3, generator=gen(seed + 1))

    def __call__(self):
        self.calls += 1
        return self.made


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_what_was_computed_once_is_read_ever_after(folder):
    compute = Counted()
    assert all(same(remembered("key", compute), compute.made) for _ in range(3))
    assert compute.calls == 1


def test_another_key_is_computed_by_itself(folder):
    remembered("key", Counted())
    other = Counted(5)
    assert same(remembered("other", other), other.made)
    assert other.calls == 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "other"])
def test_a_damaged_file_is_made_anew(folder, damage):
    remembered("key", Counted())
    (file,) = folder.iterdir()
    if damage == "other":
        save_file({"unknown": torch.zeros(3)}, file)
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
    assert [file.name for file in folder.iterdir()] == ["key.safetensors"]


def test_what_fails_leaves_no_file(folder):
    def fail():
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        remembered("key", fail)
    assert list(folder.iterdir()) == []
