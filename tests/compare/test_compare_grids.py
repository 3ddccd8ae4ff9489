"""Tests of samples and reconstructions on the page, and that a comparison reads files and builds nothing."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import torch
import yaml
from made import make_run
from rich.console import Console

from vae_lab.compare import write_comparison
from vae_lab.figures.run_picture import NAME, write_picture


def page_of(*folders: Path) -> str:
    out = folders[0].parent / "page"
    return write_comparison(list(folders), out, Console(file=StringIO(), width=80)).read_text(encoding="utf-8")


def pictures(page: str) -> list[str]:
    return re.findall(r'<img src="([^"]*)"', page)


def not_drawn(page: str) -> list[str]:
    from html import unescape

    return [unescape(text) for text in re.findall("<p>not drawn: (.*?)</p>", page)]


def grey_picture(path: Path, shade: float) -> None:
    write_picture(path, *(torch.full((n, 1, 4, 4), shade) for n in (30, 10, 10)))


@pytest.fixture
def trained(run_copy) -> Path:
    """A run that may be changed and that logs nothing, which is quicker."""
    config = yaml.safe_load((run_copy / "config.yaml").read_text())
    (run_copy / "config.yaml").write_text(yaml.safe_dump({**config, "logger": {}}))
    return run_copy


def test_every_run_shows_its_own_picture_in_two_parts(tmp_path):
    runs = [make_run(tmp_path / "runs" / str(i), 10.0 + i, latent_dim=2 + i) for i in range(3)]
    grey_picture(runs[2] / NAME, 0.9)
    shown = pictures(page_of(tmp_path / "runs"))
    assert len(shown) == 6
    assert shown[:2] == shown[2:4]
    assert not {*shown[4:]} & {*shown[:4]}
    assert all(uri.startswith("data:image/png;base64,") for uri in shown)


def test_a_run_without_a_picture_says_what_to_type_and_the_command_draws_it(cli, trained):
    expected = (trained / NAME).read_bytes()
    (trained / NAME).unlink()
    (said,) = not_drawn(page_of(trained))
    assert said.startswith("there is no picture.png in its folder; type vae-lab evaluate run=")
    _, *words = shlex.split(said.partition("type ")[2])
    results = json.loads((trained / "results.json").read_text())
    ended = cli(*words)
    assert ended.status == 0, ended.err
    assert (trained / NAME).read_bytes() == expected
    assert json.loads((trained / "results.json").read_text()) == results
    assert len(pictures(page_of(trained))) == 2


def test_the_command_draws_a_damaged_picture_again_also_with_a_sampler(cli, trained):
    expected = (trained / NAME).read_bytes()
    (trained / NAME).write_bytes(expected[:100])
    (said,) = not_drawn(page_of(trained))
    assert said.startswith("picture.png is damaged (")
    assert said.endswith(" metrics=none figures=none")
    ended = cli("evaluate", f"run={trained}", "sampler=aggregate", "metrics=none", "figures=none")
    assert ended.status == 0, ended.err
    assert (trained / NAME).read_bytes() == expected


def test_a_damaged_picture_is_one_marked_place_and_the_others_are_shown(tmp_path):
    for i in range(3):
        make_run(tmp_path / "runs" / str(i), 10.0 + i, latent_dim=2 + i)
    (tmp_path / "runs" / "1" / NAME).write_bytes(b"\x89PNG\r\n\x1a\n<script>")
    page = page_of(tmp_path / "runs")
    assert len(pictures(page)) == 4
    assert len(not_drawn(page)) == 1
    assert page.count('<figure class="missing">') == 1


@pytest.mark.parametrize("kind", ["folder", "fifo", "link to nothing", "endless"])
def test_what_is_not_a_regular_file_is_not_read(tmp_path, kind):
    run = make_run(tmp_path / "run")
    (run / NAME).unlink()
    make = {
        "folder": (run / NAME).mkdir,
        "fifo": lambda: os.mkfifo(run / NAME),
        "link to nothing": lambda: (run / NAME).symlink_to("nowhere"),
        "endless": lambda: (run / NAME).symlink_to("/dev/zero"),
    }
    make[kind]()
    (said,) = not_drawn(page_of(run))
    assert said.startswith("there is no picture.png")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ('{"values": {"kind": "tokens"}}', "this run's dataset holds tokens, not images"),
        ('{"values": {"kind": "<b>"}}', "this run's dataset holds <b>, not images"),
        ('{"values": null}', "there is no picture.png"),
        ("[" * 100_000, "there is no picture.png"),
        ("", "there is no picture.png"),
    ],
    ids=["tokens", "markup", "of an old run", "deep", "empty"],
)
def test_without_a_picture_the_kind_of_data_may_be_the_reason(tmp_path, environment, said):
    run = make_run(tmp_path / "run")
    (run / NAME).unlink()
    (run / "environment.json").write_text(environment)
    (found,) = not_drawn(page_of(run))
    assert found.startswith(said)


_FOREIGN = "import pathlib; pathlib.Path('imported').touch(); Thing = print\n"
_TARGETS = ["foreign.Thing", "os.system", "pathlib.Path.touch", "sympy.sympify", "torch.load"]


def test_compare_builds_nothing_and_needs_neither_torch_nor_the_code_of_the_runs(tmp_path):
    """Every ``_target_`` would leave a trace: the module where it is imported, or the file that a call makes."""
    (tmp_path / "foreign.py").write_text(_FOREIGN)
    for i, target in enumerate(_TARGETS):
        node = {"_target_": target, "_args_": ["touch called"]}
        parts = ("model", "likelihood", "objective", "dataset", "optimizer", "logger", "beta_schedule", "prior")
        run = make_run(tmp_path / "s" / str(i), 10.0 + i, latent_dim=2 + i, choices={})
        config = yaml.safe_load((run / "config.yaml").read_text())
        config |= {part: {**(config.get(part) or {}), **node} for part in parts}
        config |= {"metrics": {"fid": node}, "figures": {"x": node}}
        (run / "config.yaml").write_text(json.dumps(config))  # JSON is YAML, and has no aliases
    code = (
        "import sys; from vae_lab.cli import _main; sys.argv = ['vae-lab', 'compare', 's', 'out=s']\n"
        "print(_main(sys.argv[1:]), {'torch', 'foreign', 'sympy', 'pytorch_lightning'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment,
                          check=False)  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["0 set()"], done.stdout + done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign.py", "s"]
    assert len(pictures((tmp_path / "s" / "compare.html").read_text())) == 2 * len(_TARGETS)


def test_a_sweep_is_compared_where_the_code_of_its_classes_is_not(cli, finished, tmp_path):
    """The weights are not read either, and a damaged dataset is of no importance."""
    for name in ("a", "b"):
        folder = shutil.copytree(finished, tmp_path / "s" / name)
        text = (folder / "config.yaml").read_text()
        assert "vae_lab.models.single_level.SingleLevel" in text
        (folder / "config.yaml").write_text(text.replace("vae_lab.models.single_level.SingleLevel", "not.here.Model"))
        (folder / "checkpoints" / "best.ckpt").write_bytes(b"cut")
    ended = cli("compare", "s", "out=s")
    assert ended.status == 0, ended.err
    page = (tmp_path / "s" / "compare.html").read_text()
    assert not not_drawn(page)
    assert len(pictures(page)) == 4
    few = cli("compare", "s", "out=s", "grids=1")
    assert few.status == 0
    assert "the best 1 of 2 runs, best fid first." in (tmp_path / "s" / "compare.html").read_text()
