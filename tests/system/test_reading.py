"""Tests of the readers of run files: what is readable is read, and everything else is one line of UserError."""

import os

import pytest

from vae_lab.system import reading
from vae_lab.system.reading import Damaged, read_history, read_json, read_text, read_yaml

HISTORY = "epoch,step,val/loss\n0,5,3.5\n1,10,2.5\n"


def told(read, path) -> str:
    with pytest.raises(Damaged) as why:
        read(path)
    assert "\n" not in str(why.value)
    assert len(str(why.value)) < 200 + len(str(path))
    assert str(why.value).startswith(str(path))
    return why.value.what


@pytest.mark.parametrize("encode", [
    lambda text: text.encode(),
    lambda text: text.encode("utf-8-sig"),
    lambda text: text.replace("\n", "\r\n").encode(),
])  # fmt: skip
def test_files_that_went_through_another_system_are_read(tmp_path, encode):
    for name, read, text, value in (
        ("a.json", read_json, '{"β":\n 1}\n', {"β": 1}),
        ("a.yaml", read_yaml, "β: 1\nb:\n- x\n", {"β": 1, "b": ["x"]}),
        ("a.csv", read_history, HISTORY, [{"epoch": 1, "step": 5, "val/loss": 3.5},
                                          {"epoch": 2, "step": 10, "val/loss": 2.5}]),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(encode(text))
        assert read(tmp_path / name) == value


@pytest.mark.parametrize(("content", "what"), [
    (b"", "is damaged (it is empty)"),
    (b" \n\t", "is damaged (it is empty)"),
    ("a: 1".encode("utf-16"), "is damaged (it is not text in UTF-8)"),
    (b"\x80\xff", "is damaged (it is not text in UTF-8)"),
])  # fmt: skip
@pytest.mark.parametrize("read", [read_json, read_yaml, read_history])
def test_what_is_no_text_is_damaged(tmp_path, read, content, what):
    (tmp_path / "file").write_bytes(content)
    assert told(read, tmp_path / "file") == what


@pytest.mark.parametrize("content", ["[]", "5", "null", "x", '"x"', "{", "[" * 100_000, '{"a":' * 100_000, "\x00",
                                     f'{{"a": {"9" * 5000}}}', f'{{"a": 1e5, "b": {"9" * 400}}}',
                                     f'{{"a": {"[" * 60}1{"]" * 60}}}'], ids=lambda text: text[:8])  # fmt: skip
@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_what_is_no_mapping_of_plain_values_is_damaged(tmp_path, read, content):
    (tmp_path / "file").write_text(content)
    assert told(read, tmp_path / "file").startswith("is damaged (")


def test_aliases_are_refused_before_they_are_expanded(tmp_path):
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi")
    )
    (tmp_path / "file").write_text(bomb)
    assert "aliases" in told(read_yaml, tmp_path / "file")


@pytest.mark.parametrize("content", ["? [a]\n: 1", "!!python/object/apply:os.system ['true']", "a: 2026-01-01",
                                     "a: !!binary aGk=", "a: !!set {x, y}", "a: 1\n\tb: 2"])  # fmt: skip
def test_yaml_of_other_types_is_refused(tmp_path, content):
    (tmp_path / "file").write_text(content)
    assert told(read_yaml, tmp_path / "file").startswith("is damaged (")


@pytest.mark.parametrize(("content", "what"), [
    ("a,b\n1,2\n", "its first line does not name the columns epoch, step, …"),
    ("epoch,step,epoch\n0,1,0\n", "its first line does not name the columns epoch, step, …"),
    ("epoch,step\n0,1\n1\n", "line 3 has 1 of 2 cells"),
    ("epoch,step\n0,1,2\n", "line 2 has 3 of 2 cells"),
    ("epoch,step\n0,x\n", "line 2: could not convert string to float: 'x'"),
    ("epoch,step\n0," + "9" * 200_000 + "\n", "line 2: field larger than field limit (131072)"),
    ("epoch,step\n0,1\n0,2\n", "line 3: epoch and step must be whole numbers, and the epochs must ascend"),
    ("epoch,step\n-1,1\n", "line 2: epoch and step must be whole numbers, and the epochs must ascend"),
    ("epoch,step\n0.5,1\n", "line 2: epoch and step must be whole numbers, and the epochs must ascend"),
    ("epoch,step\n0,nan\n", "line 2: epoch and step must be whole numbers, and the epochs must ascend"),
    ("epoch,step\n0,1e999\n", "line 2: epoch and step must be whole numbers, and the epochs must ascend"),
    ("epoch,step\n,1\n", "line 2: epoch and step must be whole numbers, and the epochs must ascend"),
])  # fmt: skip
def test_a_damaged_history_is_told_with_its_line(tmp_path, content, what):
    (tmp_path / "metrics.csv").write_text(content)
    assert told(read_history, tmp_path / "metrics.csv") == f"is damaged ({what})"


def test_a_history_may_be_missing_begin_late_and_have_empty_cells(tmp_path):
    assert read_history(tmp_path / "metrics.csv") == []
    (tmp_path / "metrics.csv").write_text("epoch,step,train/kl\n5,60,\n6,72,nan\n")
    rows = read_history(tmp_path / "metrics.csv")
    assert rows[0] == {"epoch": 5, "step": 60}
    assert len(rows[1]) == 3


def test_what_is_not_a_regular_file_is_not_opened(tmp_path):
    """A pipe would block the reader for ever."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("whole")
    (tmp_path / "whole").write_text("text")
    assert read_text(tmp_path / "link") == "text"
    assert told(read_text, tmp_path / "folder") == "is a folder, not a file"
    assert told(read_text, tmp_path / "pipe") == "is not a file"
    assert told(read_text, tmp_path / "broken") == "is a link to a file that is missing"
    assert told(read_text, tmp_path / "missing") == "is missing"
    assert told(read_text, tmp_path / "loop") == "is a link to a file that is missing"


def test_a_file_is_not_read_beyond_the_limit(tmp_path, monkeypatch):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(5 << 30)
    monkeypatch.setattr(reading, "LARGEST", 1 << 20)
    assert told(read_text, tmp_path / "sparse") == "is damaged (it has more than 1 MB)"
