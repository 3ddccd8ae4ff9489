import json
import subprocess
import sys

import pytest
from conftest import BARE, TINY
from filelock import FileLock
from made import make_run, make_sweep


def rows(out: str) -> dict[str, list[str]]:
    """The cells of each row, by the name of the run."""
    return {cells[0]: cells[1:] for line in out.splitlines() if len(cells := line.split("\t")) > 1}


def test_every_run_has_a_row_with_its_state_the_settings_that_differ_and_scores(cli, tmp_path):
    make_sweep(tmp_path / "outputs" / "sweep")
    listed = cli("list")
    assert listed.status == 0, listed.err
    found = rows(listed.out)
    assert found["run"][1:7] == ["state", "latent_dim", "beta", "seed", "fid", "elbo"]
    assert found["outputs/sweep/0-job"][1:7] == ["finished", "2", "1", "0", "▸ 12.0", "▸ −12"]
    assert found["outputs/sweep/90-interrupted"][1:5] == ["interrupted 3/3", "2", "1", "7"]
    assert found["outputs/sweep/91-failed"][1] == "failed"
    assert found["outputs/sweep/92-damaged"][1] == "damaged"
    assert "✗ outputs/sweep/91-failed: failed: the loss became NaN in epoch 2" in listed.out
    assert "Only runs below outputs are listed; for others, type vae-lab list <folder>" in listed.out
    assert "11 runs: " in listed.out
    assert "▸ marks the best value within its protocol: fid, elbo by the test score itself" in listed.out


def test_a_run_that_is_being_trained_is_running(cli, tmp_path):
    run = make_run(tmp_path / "outputs" / "now", epochs=20)
    (run / "results.json").unlink()
    with FileLock(run / ".lock"):
        assert rows(cli("list").out)["outputs/now"][1] == "running 3/20"
    assert rows(cli("list").out)["outputs/now"][1] == "interrupted 3/20"


def test_folders_and_scores_can_be_chosen(cli, tmp_path):
    for i, place in enumerate(("a/x", "b/y")):
        make_run(tmp_path / place, 10.0 + i, latent_dim=2 + i)
    listed = cli("list", "b", "show=[kl]")
    found = {name: row[1:] for name, row in rows(listed.out).items()}
    assert found == {"run": ["state", "kl"], "b/y": ["finished", "4.100"]}
    (tmp_path / "empty").mkdir()
    assert cli("list", "empty").out.strip() == "No runs in or below empty"


def test_the_newest_run_comes_first_and_its_time_is_read_from_its_folder(cli, tmp_path):
    for place in ("2026-01-30/23-00-00-old", "2026-01-31/09-00-00-new", "2026-01-31/08-00-00-middle"):
        make_run(tmp_path / "outputs" / place)
    found = rows(cli("list").out)
    assert [name.rpartition("-")[2] for name in found] == ["run", "new", "middle", "old"]
    assert found["outputs/2026-01-31/09-00-00-new"][0] == "2026-01-31 09:00"


def test_at_80_columns_a_run_takes_one_line_with_its_key_settings_and_scores(cli, tmp_path, monkeypatch):
    for i, model in enumerate(("cnn", "dense")):
        make_run(tmp_path / f"outputs/2026-01-31/09-00-0{i}-{'long-' * 12}", 100.25 + i, latent_dim=2 + i,
                 choices={"model": model, "dataset": f"d{i}"}, dataset__name=f"d{i}")  # fmt: skip
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")  # 80 columns, without bold letters
    lines = cli("list").out.splitlines()
    assert lines[0].split() == ["run", "state", "dataset", "model", "latent_dim", "fid", "elbo", "recon"]
    assert lines[1].split() == ["2026-01-31/09-00-01-…", "finished", "d1", "dense", "3", "101.2", "−101.2", "98.25"]
    assert all(len(line) <= 80 for line in lines[:3])


def test_a_run_that_diverged_has_failed_and_says_why_until_it_is_resumed(cli, tmp_path):
    ended = cli("train", *TINY, *BARE, "model=dense", "lr=1e30", "hydra.run.dir=outputs/run")
    assert ended.status == 1
    reason = json.loads((tmp_path / "outputs/run/failure.json").read_text())["reason"]
    assert "became NaN or infinite in epoch 1" in reason
    listed = cli("list").out
    assert rows(listed)["outputs/run"][1] == "failed"
    assert f"✗ outputs/run: failed: {reason[:100]}" in listed
    assert "It failed before: loss, " in cli("train", "resume=outputs/run").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "outputs: no such folder, and nothing matches it as a glob; type vae-lab list outputs/"),
        (("run", "show=[fidd]"), "show=fidd: no run has this score (did you mean 'fid'?)"),
        (("run", "grids=3"), "grids"),
    ],
)
def test_what_cannot_be_listed_is_refused_in_one_line(cli, tmp_path, words, told):
    make_run(tmp_path / "run")
    refused = cli("list", *words)
    assert refused.status == 2
    assert told in refused.err
    assert len(refused.err.strip().splitlines()) == 1


def test_it_needs_no_torch():
    heavy = ("torch", "plotly", "matplotlib")
    code = f"import sys, vae_lab.commands.list_runs; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
