import json

import pytest

from vae_lab.system.files import write_atomically, write_csv, write_json


def test_the_written_file_is_there_and_nothing_else(tmp_path):
    with write_atomically(tmp_path / "a.txt") as file:
        file.write("σ\n")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_bytes() == "σ\n".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def broken_write(path):
    with write_atomically(path) as file:
        file.write("half")
        raise RuntimeError("power cut")


@pytest.mark.parametrize("before", [None, "old"])
def test_a_failed_write_leaves_the_earlier_file(tmp_path, before):
    path = tmp_path / "a.txt"
    if before:
        path.write_text(before)
    with pytest.raises(RuntimeError, match="power cut"):
        broken_write(path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ([before] if before else [])


def test_a_good_write_replaces_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a longer old text")
    with write_atomically(path) as file:
        file.write("new")
    assert path.read_text() == "new"


def test_bytes_are_written_as_they_are(tmp_path):
    with write_atomically(tmp_path / "a.bin", "wb") as file:
        file.write(b"\x00\r\n\xff")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\r\n\xff"


def test_line_ends_are_not_translated(tmp_path):
    with write_atomically(tmp_path / "a.csv") as file:
        file.write("a\r\nb\n")
    assert (tmp_path / "a.csv").read_bytes() == b"a\r\nb\n"


def test_json_returns_as_it_went_and_can_be_read(tmp_path):
    value = {"β": [1, 2.5, None], "nested": {"ok": True}}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "β" in text
    assert text.endswith("}\n")


def test_a_value_that_is_no_json_leaves_no_file(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"x": object()})
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_written_under_its_names(tmp_path):
    write_csv(tmp_path / "a.csv", {"index": [3, 1], "elbo": [-1.25, 0.1], "name": ["a,b", "σ"]})
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == 'index,elbo,name\n3,-1.25,"a,b"\n1,0.1,σ\n'


def test_columns_of_different_lengths_leave_no_file(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        write_csv(tmp_path / "a.csv", {"a": [1, 2], "b": [1]})
    assert list(tmp_path.iterdir()) == []
