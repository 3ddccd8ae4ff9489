import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from vae_lab.data.array_file import arrays_of
from vae_lab.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 4), np.uint8)
# What Python 2 wrote for [numpy.array([[1, 2, 200]], 'u1')]: text, protocol 0, and bytes as a text in quotes.
OF_PYTHON_2 = (
    b"(lp0\ncnumpy.core.multiarray\n_reconstruct\np1\n(cnumpy\nndarray\np2\n(I0\ntp3\nS'b'\np4\ntp5\nRp6\n(I1\n(I1\nI3\n"
    b"tp7\ncnumpy\ndtype\np8\n(S'u1'\np9\nI0\nI1\ntp10\nRp11\n(I3\nS'|'\np12\nNNNI-1\nI-1\nI0\ntp13\nbI00\n"
    b"S'\\x01\\x02\\xc8'\np14\ntp15\nba."
)


def read(tmp_path: Path, content: object) -> dict[str, np.ndarray]:
    file = tmp_path / "a.pkl"
    file.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    return {name: np.asarray(array.load()) for name, array in arrays_of(file, "images=a.pkl").items()}


def refusal(tmp_path: Path, content: object) -> str:
    with pytest.raises(UserError) as told:
        read(tmp_path, content)
    line = str(told.value)
    assert line.startswith("images=a.pkl")
    assert "\n" not in line
    return line


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["u1", ">i2", "<f4", "f8", "?"])
def test_an_array_is_read_whatever_the_protocol(tmp_path, protocol, dtype):
    array = IMAGES.astype(dtype)
    (found,) = read(tmp_path, pickle.dumps(array, protocol)).values()
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_the_order_of_fortran_is_kept(tmp_path):
    assert np.array_equal(read(tmp_path, np.asfortranarray(IMAGES))[""], IMAGES)


def test_a_pickle_of_python_2_is_read(tmp_path):
    found = read(tmp_path, OF_PYTHON_2)
    assert list(found) == [""]
    assert found[""].tolist() == [[1, 2, 200]]
    assert found[""].dtype == np.uint8


def test_several_arrays_have_their_keys_and_positions_as_names(tmp_path):
    found = read(
        tmp_path, {"data": IMAGES, b"labels": [3, 1, 2], "parts": (IMAGES[0], IMAGES[1]), "name": "faces", "n": 7}
    )
    assert list(found) == ["data", "labels", "parts/0", "parts/1"]
    assert found["labels"].tolist() == [3, 1, 2]
    assert np.array_equal(found["parts/1"], IMAGES[1])


class Dangerous:
    """An object whose unpickling writes a file, by a function that its class does not name."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("inside", [False, True])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, inside):
    dangerous = Dangerous(tmp_path / "ran")
    line = refusal(tmp_path, [IMAGES, dangerous] if inside else dangerous)
    assert "names posix.system, and only arrays of numbers are read from pickles" in line
    assert not (tmp_path / "ran").exists()


def test_functions_of_numpy_itself_are_refused(tmp_path):
    content = b"cnumpy\nload\n(S'/etc/passwd'\ntR."
    assert "names numpy.load" in refusal(tmp_path, content)
    assert "names numpy.ndarray.tofile" in refusal(tmp_path, b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")


def test_arrays_of_objects_and_of_words_are_refused(tmp_path):
    assert "only arrays of numbers are read" in refusal(tmp_path, np.array([1, "a"], object))
    assert "an array of <U3, and only arrays of numbers are read" in refusal(tmp_path, np.array(["abc"]))


def test_a_shape_that_its_bytes_do_not_have_is_refused(tmp_path):
    content = OF_PYTHON_2.replace(b"(I1\nI3\ntp7", b"(I1\nI999\ntp7")
    assert "an array of [1, 999] uint8 has 3 bytes" in refusal(tmp_path, content)


def test_lists_that_hold_themselves_end(tmp_path):
    endless: list = [IMAGES]
    endless.append(endless)
    assert list(read(tmp_path, endless)) == ["0"]
    many: list = []
    for _ in range(60):
        many = [many, many]
    assert "it holds no array of numbers" in refusal(tmp_path, many)


def test_a_damaged_pickle_is_told_in_one_line(tmp_path):
    whole = pickle.dumps(IMAGES)
    for content in (b"", whole[:40], whole[:-20], b"no pickle", b"<!DOCTYPE html>"):
        assert "is damaged or no .pkl file (" in refusal(tmp_path, content)
