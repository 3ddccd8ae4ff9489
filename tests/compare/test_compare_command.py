import csv
import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from made import make_run, make_sweep
from rich.console import Console

from vae_lab.compare import write_comparison
from vae_lab.compare.compared import Compared
from vae_lab.compare.reading import read
from vae_lab.compare.views.grids import best_first


@pytest.fixture
def console() -> Console:
    return Console(file=StringIO(), width=80)


def table(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_summary_holds_every_run_with_settings_scores_and_spread(tmp_path, console):
    sweep = make_sweep(tmp_path / "sweep")
    write_comparison([sweep], sweep, console)
    rows = table(sweep / "summary.csv")
    assert len(rows) == 11
    first = rows[0]
    assert [first[key] for key in ("status", "latent_dim", "beta", "seed", "seeds")] == ["finished", "2", "1", "0", "2"]
    assert [float(first[key]) for key in ("fid", "fid low", "fid high", "fid_floor")] == [12, 11, 13, 2]
    assert float(first["fid mean over seeds"]) == 12.5
    assert float(first["fid sd over seeds"]) == pytest.approx(0.5**0.5)
    assert {row["status"] for row in rows[8:]} == {"interrupted", "failed", "damaged"}
    assert not any("wall" in key or "run_id" in key for key in first)


def test_the_same_runs_give_the_same_bytes_wherever_they_lie(tmp_path, console):
    sweep = make_sweep(tmp_path / "sweep")
    moved = shutil.copytree(sweep, tmp_path / "elsewhere")
    environment = moved / "0-job" / "environment.json"
    environment.write_text(json.dumps({"wall_seconds": 1e5, "run_id": "other"}))
    jobs = sorted(moved.iterdir(), reverse=True)
    write_comparison([sweep], tmp_path / "a", console)
    write_comparison(jobs, tmp_path / "b", console)
    assert (tmp_path / "a" / "summary.csv").read_bytes() == (tmp_path / "b" / "summary.csv").read_bytes()


def test_the_table_shows_differing_settings_marks_the_best_and_names_failures(tmp_path, console):
    sweep = make_sweep(tmp_path / "sweep")
    page = write_comparison([sweep], sweep, console)
    told = console.file.getvalue()
    assert page == sweep / "compare.html"
    assert all(len(line) <= 80 for line in told.partition("▸ marks")[0].splitlines())
    header = next(line for line in told.splitlines() if "latent_dim" in line)
    assert header.split()[:4] == ["latent_dim", "beta", "seeds", "fid"]
    assert "▸ 12.5 ± 0.7" in told
    assert "failed: the loss became NaN in epoch 2" in told
    assert "not shown here, but in compare.html and summary.csv" in told
    assert {"curves.png", "fid-latent_dim.png", "fid-latent_dim-beta.png", "rate_distortion.png"} <= {
        path.name for path in (sweep / "plots").iterdir()
    }


def test_24_runs_with_three_settings_fit_80_columns(tmp_path, console):
    for i in range(24):
        settings = {
            "latent_dim": (2, 16)[i % 2],
            "batch_size": (32, 64, 128)[i // 2 % 3],
            "lr": (1e-4, 1e-3)[i // 6 % 2],
        }
        make_run(tmp_path / "s" / str(i), 100.0 + i, seed=i // 12, **settings)
    write_comparison([tmp_path / "s"], tmp_path / "out", console)
    lines = console.file.getvalue().splitlines()
    header = next(line for line in lines if "latent_dim" in line).split()
    assert header == ["latent_dim", "batch_size", "lr", "seeds", "fid", "elbo", "recon"]
    assert sum(" ± " in line and "marks" not in line for line in lines) == 12
    assert "…" not in "\n".join(lines[:16])


def test_runs_equal_in_settings_and_seed_are_reported_and_their_numbers_are_never_cut(tmp_path, console):
    names = [f"a_folder_with_a_rather_long_name_as_people_give_them_{i}" for i in range(2)]
    for name in names:
        make_run(tmp_path / name, 1234.5678)
    write_comparison([tmp_path], tmp_path / "out", console)
    told = console.file.getvalue()
    assert "1 (2 equal runs)" in told
    assert f"{names[0]} = {names[1]}" in told
    rows = told.partition("runs with equal")[0]
    assert "…" not in rows
    assert "1235" in rows
    assert all(len(line) <= 80 for line in rows.splitlines())


def test_without_a_finished_run_there_is_no_table(tmp_path, console):
    (make_run(tmp_path / "s" / "a") / "results.json").unlink()
    write_comparison([tmp_path / "s"], tmp_path / "out", console)
    first, second, *_ = console.file.getvalue().splitlines()
    assert first == "1 run, none of them finished"
    assert second.startswith("✗ ")
    assert "▸" not in console.file.getvalue()


def test_beside_one_finished_run_settings_that_differ_from_the_others_stay(tmp_path, console):
    for dim in (2, 4, 8):
        make_run(tmp_path / "s" / str(dim), latent_dim=dim)
    for dim in (4, 8):
        (tmp_path / "s" / str(dim) / "results.json").unlink()
    write_comparison([tmp_path / "s"], tmp_path / "out", console)
    header = next(line for line in console.file.getvalue().splitlines() if "fid" in line)
    assert header.split()[:2] == ["latent_dim", "fid"]


def test_a_finished_run_with_cut_metrics_says_so(tmp_path, console):
    folder = make_run(tmp_path / "s" / "a")
    (folder / "metrics.csv").write_text("epoch,step,val/loss\n0,1,3\n1,2\n")
    page = write_comparison([tmp_path / "s"], tmp_path / "out", console)
    assert "finished; metrics.csv is damaged" in console.file.getvalue()
    status = "finished; metrics.csv is damaged (line 3 has 2 of 3 cells)"
    assert f'{{"v":"{status}","t":"✓ {status}"}}' in page.read_text()


def test_a_plain_folder_of_runs_is_left_as_it_is(cli, tmp_path):
    make_run(tmp_path / "runs" / "a")
    assert cli("compare", "runs", "grids=0").status == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a"]
    assert len(list((tmp_path / "outputs" / "compare").glob("*/compare.html"))) == 1


def test_protocols_are_distinguished_in_table_page_and_summary(tmp_path, console):
    make_run(tmp_path / "s" / "a", 10.0, latent_dim=2)
    make_run(tmp_path / "s" / "b", 20.0, latent_dim=4)
    make_run(tmp_path / "s" / "c", 1.0, {"images": 1000}, latent_dim=8)
    page = write_comparison([tmp_path / "s"], tmp_path / "s", console)
    told = console.file.getvalue()
    assert (
        "fid was measured under 2 protocols, whose values are not comparable: A: images 360 (2 runs); "
        "B: images 1000 (1 run)" in told
    )
    assert "▸ 10.0 ± 1.0 A" in told
    assert "1.0 ± 1.0 B" in told.replace("▸", "!")
    assert [row["fid protocol"] for row in table(tmp_path / "s" / "summary.csv")] == ["A", "A", "B"]
    assert "Values measured under different protocols are not comparable." in page.read_text()


def test_a_second_comparison_replaces_the_first_but_nothing_else(cli, tmp_path):
    make_sweep(tmp_path / "sweep")
    assert cli("compare", "sweep", "grids=0").status == 0
    first = (tmp_path / "sweep" / "compare.html").read_text()
    make_run(tmp_path / "sweep" / "new", 3.0, latent_dim=99)
    assert cli("compare", "sweep", "grids=0").status == 0
    assert (tmp_path / "sweep" / "compare.html").read_text() != first
    (tmp_path / "sweep" / "compare.html").write_text("my own notes")
    refused = cli("compare", "sweep", "grids=0")
    assert refused.status == 2
    assert "type out=" in refused.err
    assert (tmp_path / "sweep" / "compare.html").read_text() == "my own notes"


@pytest.mark.parametrize("last", ["compare.html", "summary.csv", "table.tex", "plots"])
def test_a_comparison_that_was_killed_is_completed_by_the_same_command(cli, tmp_path, monkeypatch, last):
    """The kill comes while one of the files is written; the one that exists already must not be taken for foreign."""
    make_sweep(tmp_path / "sweep")
    functions = {"summary.csv": "summary.write_summary", "table.tex": "papers.write_tables",
                 "plots": "pictures.write_pictures"}  # fmt: skip
    function = functions.get(last)
    with monkeypatch.context() as patch:
        target = f"vae_lab.compare.views.{function}" if function else "vae_lab.compare.comparison.write_atomically"
        patch.setattr(target, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert cli("compare", "sweep", "grids=0").status == 130
    assert cli("compare", "sweep", "grids=0").status == 0
    assert {"compare.html", "summary.csv", "table.tex", "table.md", "plots"} <= {
        path.name for path in (tmp_path / "sweep").iterdir()
    }


@pytest.mark.parametrize(("content", "status"), [("run,status,reason,seed,seeds\n", 0), ("day,weight\n", 2)])
def test_a_summary_without_its_page_is_replaced_if_it_is_one(cli, tmp_path, content, status):
    make_sweep(tmp_path / "sweep")
    (tmp_path / "sweep" / "summary.csv").write_text(content)
    assert cli("compare", "sweep", "grids=0").status == status


def test_runs_and_sweeps_together_go_into_a_new_folder(cli, tmp_path):
    make_sweep(tmp_path / "outputs" / "sweep")
    make_run(tmp_path / "outputs" / "x=1,y", 5.0)
    ended = cli("compare", "outputs/sweep", "outputs/x=1,y", "show=[kl,fid]", "grids=0")
    assert ended.status == 0, ended.err
    (made,) = (tmp_path / "outputs" / "compare").iterdir()
    assert sorted(path.name for path in made.iterdir()) == [
        "compare.html", "plots", "summary.csv", "table.md", "table.tex"
    ]  # fmt: skip
    assert len(table(made / "summary.csv")) == 12
    again = cli("compare", "outputs/*/*-job", "out=here", "grids=0")
    assert again.status == 0, again.err
    assert len(table(tmp_path / "here" / "summary.csv")) == 8


def test_the_page_is_opened_where_asked(cli, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    make_run(tmp_path / "run")
    assert cli("compare", "run", "open=true", "out=here").status == 0
    assert opened == [(tmp_path / "here" / "compare.html").as_uri()]


@pytest.mark.parametrize(
    ("words", "what", "advice"),
    [
        ([], "needs run folders", "vae-lab compare outputs/"),
        (["nowhere"], "nowhere: no such folder", "type vae-lab compare"),
        (["empty"], "empty: no run found in or below this folder", "type vae-lab compare"),
        (["run", "show=[fdi]"], "show=fdi", "'fid'"),
        (["run", "show=fid"], "show=fid", "show=[fid,elbo]"),
        (["run", "grids=-1"], "grids=-1", "grids=24"),
        (["run", "shwo=[fid]"], "shwo", "'show'"),
        (["run", "out=run"], "run folder", "out=<another folder>"),
        (["run", "out=file"], "out=file is a file", "out=<another folder>"),
        (["run", "out=file/in"], "cannot be written", "out=<a writable folder>"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_leaves_nothing(cli, tmp_path, words, what, advice):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("in the way")
    make_run(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    ended = cli("compare", *words)
    assert ended.status == 2, ended.err
    (line,) = ended.err.strip().splitlines()
    assert what in line
    assert advice in line
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sweep_of_nothing_but_failures_is_still_reported(cli, tmp_path):
    for i in range(2):
        (tmp_path / "s" / str(i)).mkdir(parents=True)
        (tmp_path / "s" / str(i) / "failure.json").write_text("{")
    ended = cli("compare", "s", "out=s")
    assert ended.status == 0, ended.err
    assert ended.out.count("failed: failure.json is damaged") == 2
    assert (tmp_path / "s" / "compare.html").exists()


def test_grids_rank_within_a_protocol_and_say_so_only_where_there_are_several(tmp_path, console):
    for i, (fid, images) in enumerate([(30.0, 360), (10.0, 360), (5.0, 9), (1.0, 9), (20.0, 360)]):
        make_run(tmp_path / "s" / f"{i}", fid, {"images": images}, latent_dim=2 + i)
    compared = Compared([read(tmp_path / "s" / str(i)) for i in range(5)])
    assert best_first(compared) == ([1, 4, 0, 3, 2], 5)
    assert best_first(compared, 3) == ([1, 4, 3], 5)  # the best of each, then the second best
    several = write_comparison([tmp_path / "s"], tmp_path / "a", console).read_text()
    assert "all 5 runs, best fid first within each of 2 datasets or protocols." in several
    one = write_comparison([tmp_path / "s" / str(i) for i in (0, 1, 4)], tmp_path / "b", console).read_text()
    assert "all 3 runs, best fid first." in one


def test_the_notes_of_a_run_are_repeated(tmp_path, console):
    said = "The posterior collapsed: KL 0.000 nats."
    for name, notes in (("a", [said]), ("b", [])):
        folder = make_run(tmp_path / "runs" / name, latent_dim=2 if name == "a" else 4)
        results = json.loads((folder / "results.json").read_text())
        (folder / "results.json").write_text(json.dumps({**results, "notes": notes}))
    write_comparison([tmp_path / "runs"], tmp_path / "runs", console)
    assert f"a: {said}" in console.file.getvalue()
    assert sorted(row["notes"] for row in table(tmp_path / "runs" / "summary.csv")) == ["", said]


def _with_results(folder: Path, **changed: Any) -> None:
    path = folder / "results.json"
    results = json.loads(path.read_text())
    for key, value in changed.items():
        results[key] = {**results[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(results))


ODD = {
    "largest": {"metrics": {"test/fid": 1e308, "test/elbo": -1e308}, "intervals": {"test/fid": [-1e308, 1e308]}},
    "no_numbers": {"metrics": {"test/fid": float("nan"), "test/elbo": float("inf"), "test/kl": float("-inf")}},
    "odd_names": {"metrics": {"": 1.0, "test/": 2.0, "</script>": 3.0, "[red]": 4.0, "status": 5.0, "a" * 5000: 6.0}},
    "odd_protocol": {"protocol": {"fid": {"sampler": ["x"], "reference": {"a": [1]}}, "loss_terms": [1], "_gmm": None}},
    "many": {"metrics": {f"test/x{number}": 1.0 for number in range(300)}},
    "long": {"notes": ["x" * 100_000], "meanings": {"test/fid": "lower is better " * 10_000}},
    "digits": {"metrics": {"test/fid": 10**400}},
    "brackets": {"arrays": {"a": json.loads("[" * 80 + "]" * 80)}},
}


def test_bad_runs_are_marked_rows_and_never_end_the_comparison(tmp_path, console, recwarn):
    for number in range(2):
        make_run(tmp_path / "s" / f"whole{number}", 10.0 + number, latent_dim=2 + number)
    for name, changed in ODD.items():
        _with_results(make_run(tmp_path / "s" / name, latent_dim=4), **changed)
    for name, file, content in (
        ("field", "metrics.csv", "epoch,step,val/loss\n0,1," + "9" * 200_000),
        ("order", "metrics.csv", "epoch,step,val/loss\n5,1,2\n3,1,2\n"),
        ("bomb", "config.yaml", "a: &a [x, x]\nb: &b [*a, *a]\n"),
        ("deep", "results.json", "[" * 100_000),
        ("long_number", "config.yaml", f"seed: {'9' * 5000}\n"),
        ("utf16", "results.json", "{}"),
        ("failure", "failure.json", "[1]"),
    ):
        folder = make_run(tmp_path / "s" / name, latent_dim=4)
        (folder / file).write_text(content, encoding="utf-16" if name == "utf16" else "utf-8")
    write_comparison([tmp_path / "s"], tmp_path / "out", console)
    rows = {row["run"]: row for row in csv.DictReader((tmp_path / "out" / "summary.csv").open(newline=""))}
    assert len(rows) == 2 + len(ODD) + 7
    assert rows["whole0"]["fid"] == "10.0"
    damaged = {name for name, row in rows.items() if row["status"] == "damaged"}
    assert damaged == {"digits", "brackets", "bomb", "deep", "long_number", "utf16"}
    assert "metrics.csv is damaged (line 2: field larger than field limit" in rows["field"]["reason"]
    assert "the epochs must ascend" in rows["order"]["reason"]
    assert [str(warning.message) for warning in recwarn if issubclass(warning.category, RuntimeWarning)] == []


def test_the_legend_explains_only_marks_that_the_table_has(tmp_path, console):
    make_run(tmp_path / "a", 12.5)
    write_comparison([tmp_path], tmp_path / "out", console)
    assert "▸" not in console.file.getvalue()
    assert "half of the 95 % interval" in console.file.getvalue()
