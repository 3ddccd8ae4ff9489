import errno

import numpy as np
import pytest
import torch

from vae_lab.config.hydra_errors import explain
from vae_lab.config.shortages import shortage


def raised(work) -> Exception:
    with pytest.raises(Exception) as failed:  # noqa: PT011 - which one it is depends on the library
        work()
    return failed.value


@pytest.mark.parametrize("work", [lambda: torch.empty(10**15), lambda: np.empty(10**15)])
def test_memory_that_a_library_lacks_is_one_line_with_advice(work):
    status, told = explain(raised(work))
    assert status == 1
    assert told.startswith("memory has run out (")
    assert "are needed); type a smaller batch_size" in told


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (MemoryError(), "memory has run out; type"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory has run out; type"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "memory has run out (2.00 GiB are needed)"),
        (RuntimeError("can't start new thread"), "memory has run out"),
        (OSError(errno.ENOSPC, "No space left on device", "a/b.ckpt"), "the disk of a/b.ckpt is full; free"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full; free some space"),
        (RuntimeError("[enforce fail at inline_container.cc:858] . PytorchStreamWriter failed"), "the disk is full"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open; raise"),
    ],
)
def test_each_shortage_is_named_with_advice(error, start):
    assert shortage(error).startswith(start)
    assert explain(error) == (1, shortage(error))


def test_a_shortage_is_found_behind_another_error():
    other = RuntimeError("writing failed")
    other.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert shortage(other).startswith("the disk is full")


@pytest.mark.parametrize("error", [ValueError("x"), OSError(errno.ENOENT, "No such file", "a"), RuntimeError()])
def test_other_errors_are_no_shortage(error):
    assert shortage(error) is None
