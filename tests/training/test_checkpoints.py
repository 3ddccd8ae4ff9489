import os

import pytest
import torch

from vae_lab.training.checkpoints import AtomicCheckpointIO, is_whole, last_checkpoint, write_checkpoint

CONTENT = {"epoch": 3, "state_dict": {"w": torch.arange(50_000.0)}}


def test_a_checkpoint_is_written_beside_its_place_whatever_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    renamed, rename = [], os.replace
    monkeypatch.setattr("os.replace", lambda a, b: (renamed.append((a, b)), rename(a, b)))
    AtomicCheckpointIO().save_checkpoint(CONTENT, tmp_path / "run" / "checkpoints" / "best.ckpt")
    assert [os.path.dirname(path) for path in renamed[0]] == [str(tmp_path / "run" / "checkpoints")] * 2
    assert torch.equal(torch.load(tmp_path / "run/checkpoints/best.ckpt")["state_dict"]["w"], torch.arange(50_000.0))


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "one bit", "missing"])
def test_a_damaged_checkpoint_is_recognised(tmp_path, damage):
    path = tmp_path / "best.ckpt"
    write_checkpoint(CONTENT, path)
    assert is_whole(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    given = {"cut": content[: len(content) // 2], "empty": b"", "text": b"no checkpoint", "one bit": content}
    path.write_bytes(given[damage]) if damage in given else path.unlink()
    assert not is_whole(path)


@pytest.mark.parametrize(
    ("whole", "used"), [("last best", "last.ckpt"), ("best", "best.ckpt"), ("last", "last.ckpt"), ("", None)]
)
@pytest.mark.parametrize("damaged", [True, False])
def test_a_run_is_resumed_from_the_checkpoint_that_can_be_read(tmp_path, whole, used, damaged):
    for name in ("last", "best"):
        path = tmp_path / "checkpoints" / f"{name}.ckpt"
        write_checkpoint(CONTENT, path)
        if name not in whole:
            path.write_bytes(b"cut") if damaged else path.unlink()
    found = last_checkpoint(tmp_path)
    assert (found and found.name) == used
