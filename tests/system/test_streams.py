"""Tests of the program with standard streams that are closed, full or unread, and with narrow encodings."""

import os
import subprocess
import sys

import pytest
from conftest import BARE, PROGRAM, TINY

LINE = f"{PROGRAM} train {' '.join((*TINY, *BARE))} beta=2 model=dense hydra.run.dir=run"
CODE = "from vae_lab.system import streams; import sys; streams.prepare(); {}; status = streams.what_was_lost(); "
STATUS = "import os; os._exit(7 if status else 0)"


def shell(line: str, folder, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **environment},
    )  # fmt: skip


def python(work: str, redirections: str = "", **environment: str) -> subprocess.CompletedProcess:
    code = CODE.format(work) + STATUS
    return shell(f"{sys.executable} -c '{code}' {redirections}", None, **environment)


@pytest.mark.parametrize("redirections", [">&- 2>&- <&-", "2> err | head -1"])
def test_a_run_without_streams_is_complete(tmp_path, redirections):
    assert shell(f"set -o pipefail; {LINE} {redirections}", tmp_path).returncode == 0
    assert (tmp_path / "run" / "results.json").is_file()
    assert not (tmp_path / "err").exists() or (tmp_path / "err").read_text() == ""


def test_a_full_disk_under_stdout_is_one_line_and_the_help_fails(tmp_path):
    done = shell(f"{PROGRAM} --help > /dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "vae-lab: output is missing, since stdout cannot be written (No space left on device)\n"


@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&-", "2>/dev/full", "| head -0"])
def test_lost_streams_are_no_error(redirections):
    done = python('print("β" * 9999); print("β", file=sys.stderr)', redirections)
    assert (done.returncode, done.stderr) in ((0, ""), (0, "β\n"))


def test_what_a_full_stream_has_lost_is_known():
    assert python('print("x" * 9999)', "> /dev/full").returncode == 7


@pytest.mark.parametrize(
    "narrow", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_characters_that_the_encoding_lacks_are_replaced(narrow):
    assert python('print("\\u03b2=4"); print("\\u03b2", file=sys.stderr)', **narrow).stdout == "?=4\n"
    assert python('print("\\u03b2", file=sys.stderr)', **narrow).stderr == "?\n"


def test_a_file_that_is_opened_does_not_take_the_place_of_a_closed_stream(tmp_path):
    path = tmp_path / "data"
    python(f'file = open("{path}", "w"); print("output"); sys.stdout.flush(); file.write("data"); file.close()', ">&-")
    assert path.read_text() == "data"


def test_a_width_of_0_is_no_width():
    done = python('import os; print(os.environ.get("COLUMNS"))', COLUMNS="0")
    assert done.stdout == "None\n"
    assert python('import os; print(os.environ.get("COLUMNS"))', COLUMNS="20").stdout == "20\n"


def test_preparing_again_changes_nothing():
    done = python("before = sys.stdout; streams.prepare(); print(before is sys.stdout)")
    assert done.stdout == "True\n"


def test_the_streams_of_tests_and_notebooks_stay(capsys):
    from vae_lab.system import streams

    before = sys.stdout
    streams.prepare()
    assert sys.stdout is before
