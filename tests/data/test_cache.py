import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vae_lab.data.cache import cache_dir, data_root
from vae_lab.data.mapped_bytes import made_array
from vae_lab.errors import UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VAE_LAB_DATA", raising=False)


def test_the_cache_is_at_the_place_in_the_environment_and_exists(tmp_path):
    assert cache_dir("images") == tmp_path / "cache" / "images"
    assert cache_dir("images").is_dir()


def test_the_cache_is_in_the_home_folder_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("VAE_LAB_CACHE")
    monkeypatch.setattr("vae_lab.data.cache.user_cache_path", lambda name: tmp_path / "home" / name)
    assert cache_dir("images") == tmp_path / "home" / "vae-lab" / "images"


def test_data_dir_comes_before_the_environment_and_that_before_the_cache(tmp_path, monkeypatch):
    assert data_root(None) == tmp_path / "cache" / "data"
    monkeypatch.setenv("VAE_LAB_DATA", str(tmp_path / "mine"))
    assert data_root(None) == tmp_path / "mine"
    assert data_root(str(tmp_path / "typed")) == tmp_path / "typed"


def test_a_relative_data_dir_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert data_root("here") == tmp_path / "here"
    assert data_root("~/there") == Path.home() / "there"


def test_a_data_dir_is_not_created(tmp_path):
    data_root(str(tmp_path / "typed"))
    assert not (tmp_path / "typed").exists()


_MAKER = """
import sys, time
from pathlib import Path
import numpy as np
from vae_lab.data.mapped_bytes import made_array
folder = Path(sys.argv[1])
def fill(array):
    with (folder / "made").open("a") as file:
        file.write("x")
    print("making", flush=True)
    time.sleep(float(sys.argv[2]))
    array[:] = 7
assert (made_array(folder / "a.npy", (30, 5), fill) == 7).all()
"""


def _process(folder: Path, seconds: float) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", _MAKER, str(folder), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_at_once_make_a_file_once_even_if_the_first_of_them_is_killed(tmp_path):
    first = _process(tmp_path, 60)
    assert first.stdout.readline() == "making\n"
    others = [_process(tmp_path, 0.2) for _ in range(3)]
    first.kill()
    first.communicate()
    assert [(process.communicate(timeout=100)[1], process.returncode) for process in others] == [("", 0)] * 3
    assert (tmp_path / "made").read_text() == "xx"  # once by the killed process, once for all others
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "made"]


@pytest.mark.parametrize("damage", ["cut", "empty", "of another shape"])
def test_a_damaged_array_is_made_again(tmp_path, damage):
    path, calls = tmp_path / "a.npy", []

    def fill(array: np.ndarray) -> None:
        calls.append(1)
        array[:] = 7

    made_array(path, (30, 5), fill)
    if damage == "of another shape":
        np.save(path, np.zeros((3, 5), np.uint8))
    else:
        path.write_bytes(path.read_bytes()[: 140 if damage == "cut" else 0])
    assert (made_array(path, (30, 5), fill) == 7).all()
    assert (made_array(path, (30, 5), fill) == 7).all()
    assert len(calls) == 2


def test_the_lock_of_a_process_that_was_killed_at_the_end_is_removed(tmp_path):
    made_array(tmp_path / "a.npy", (3,), lambda array: None)
    (tmp_path / ".a.npy.lock").write_text("")
    made_array(tmp_path / "a.npy", (3,), lambda array: None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_changes_of_an_array_stay_in_memory(tmp_path):
    made_array(tmp_path / "a.npy", (3,), lambda array: None)[0] = 5
    assert made_array(tmp_path / "a.npy", (3,), lambda array: None).tolist() == [0, 0, 0]


@pytest.mark.parametrize("problem", ["a file in its place", "no space"])
def test_a_cache_that_cannot_be_written_is_named_in_one_line(tmp_path, monkeypatch, problem):
    if problem == "no space":
        full = OSError(errno.ENOSPC, "No space left on device")
        monkeypatch.setattr("os.posix_fallocate", lambda *_: (_ for _ in ()).throw(full))
    else:
        (tmp_path / "cache").write_text("")
    with pytest.raises(UserError) as error:
        made_array(cache_dir("images") / "a.npy", (30, 5), lambda array: None)
    assert str(error.value).startswith(str(tmp_path / "cache" / "images"))
    assert "set VAE_LAB_CACHE=<a writable folder with room>" in str(error.value)
    if problem == "no space":
        assert list((tmp_path / "cache" / "images").iterdir()) == []


def test_a_lock_that_cannot_be_created_is_an_unwritable_cache(tmp_path, monkeypatch):
    def refused(self, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", self.lock_file)

    monkeypatch.setattr("filelock.FileLock.acquire", refused)
    with pytest.raises(UserError, match=r"a.npy cannot be written \(Permission denied\); set VAE_LAB_CACHE="):
        made_array(tmp_path / "a.npy", (3,), lambda array: None)


def test_an_error_of_what_is_read_is_not_taken_for_one_of_the_cache(tmp_path):
    def fill(array: np.ndarray) -> None:
        (tmp_path / "missing.png").read_bytes()

    with pytest.raises(FileNotFoundError, match=r"missing.png"):
        made_array(tmp_path / "a.npy", (3,), fill)
    assert list(tmp_path.iterdir()) == []
