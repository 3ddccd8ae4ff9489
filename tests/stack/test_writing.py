"""Tests of checkpoints that are written in the background during training."""

import threading

import pytest
import torch

from vae_lab.stack.writing import BackgroundCheckpointIO


def test_files_of_a_folder_are_written_in_order_while_training_continues(tmp_path, monkeypatch):
    order, may_go = [], threading.Event()

    def slow(checkpoint, path):
        if checkpoint["place"] == 0:
            assert may_go.wait(20)
        order.append((path.parent.name, checkpoint["place"]))

    monkeypatch.setattr("vae_lab.stack.writing.write_checkpoint", slow)
    writing = BackgroundCheckpointIO(threads=4)
    for place in range(3):
        writing.save_checkpoint({"place": place}, tmp_path / "a" / f"{place}.ckpt")
    writing.save_checkpoint({"place": 9}, tmp_path / "b" / "9.ckpt")
    may_go.set()
    writing.wait()
    assert [place for folder, place in order if folder == "a"] == [0, 1, 2]
    assert ("b", 9) in order
    writing.teardown()


def test_all_submitted_work_is_done_at_the_end(tmp_path):
    writing = BackgroundCheckpointIO()
    for name in ("best", "last"):
        writing.save_checkpoint({"x": torch.arange(3)}, tmp_path / f"{name}.ckpt")
    writing.teardown()
    for name in ("best", "last"):
        assert torch.load(tmp_path / f"{name}.ckpt", weights_only=True)["x"].tolist() == [0, 1, 2]


def test_a_failed_write_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    writing = BackgroundCheckpointIO()
    writing.save_checkpoint({}, tmp_path / "file" / "last.ckpt")
    with pytest.raises(OSError, match="file"):
        writing.wait()
