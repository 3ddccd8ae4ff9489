"""Tests with real processes: temporary files of killed processes are removed, and those of living ones never."""

import errno
import os
import resource
import signal
import subprocess
import sys

import pytest

from vae_lab.system.files import replaced, write_atomically
from vae_lab.system.unfinished import remove_leftovers, unfinished

WRITER = """
import sys, time
from pathlib import Path
from vae_lab.system.unfinished import unfinished
with unfinished(Path(sys.argv[1]), folder=sys.argv[2] == "folder") as temporary:
    (temporary / "0.png" if temporary.is_dir() else temporary).write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def writing(path, kind="file"):
    """Start a process that writes a temporary file or folder and does not end by itself."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), kind], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    return process


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_leftovers_of_a_killed_process_are_removed_and_those_of_a_living_one_are_not(tmp_path, kind):
    process = writing(tmp_path / "a", kind)
    remove_leftovers(tmp_path)
    (left,) = tmp_path.iterdir()
    assert left.is_dir() == (kind == "folder")
    process.kill()
    process.wait()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_next_file_in_the_folder_removes_the_leftovers(tmp_path):
    process = writing(tmp_path / "a")
    process.kill()
    process.wait()
    with write_atomically(tmp_path / "b") as file:
        file.write("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_other_hidden_files_are_not_touched(tmp_path):
    for name in (".a.part", ".b.0123456.part", "c.01234567.part", ".d.01234567.part.txt"):
        (tmp_path / name).write_text("mine")
    remove_leftovers(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_folder_that_cannot_be_completed_disappears(tmp_path):
    def fill():
        with unfinished(tmp_path / "images", folder=True) as temporary:
            (temporary / "0.png").write_text("x")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exceeds_the_limit_is_named_and_the_earlier_one_is_kept(tmp_path):
    """A limit on the size of files stands in for a full disk."""
    (tmp_path / "a").write_text("earlier")
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as error, write_atomically(tmp_path / "a", "wb") as file:
            file.write(bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert error.value.errno == errno.EFBIG
    assert error.value.filename == str(tmp_path / "a")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["earlier"]


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as error, replaced(tmp_path / "a"):
        (tmp_path / "b").read_text()
    assert error.value.filename == str(tmp_path / "b")


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    order, sync = [], os.fsync
    monkeypatch.setattr("os.fsync", lambda number: (order.append((tmp_path / "a").exists()), sync(number)))
    with write_atomically(tmp_path / "a") as file:
        file.write("x")
    assert order == [False]
