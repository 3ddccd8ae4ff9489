import subprocess
import sys

import pytest
from filelock import FileLock
from made import make_run, make_sweep


def rows(out: str) -> dict[str, list[str]]:
    """The cells of each row, by the name of the run."""
    cells = [line.split() for line in out.splitlines() if line.startswith("  ")]
    return {row[0]: row[1:] for row in cells if row}


def test_every_run_has_a_row_with_its_state_the_settings_that_differ_and_scores(cli, tmp_path):
    make_sweep(tmp_path / "outputs" / "sweep")
    listed = cli("list")
    assert listed.status == 0, listed.err
    found = rows(listed.out)
    assert found["run"][:4] == ["state", "latent_dim", "beta", "seed"]
    assert found["outputs/sweep/0-job"][:8] == ["finished", "2", "1", "0", "▸", "12.0", "±", "1.0"]
    assert found["outputs/sweep/90-interrupted"][:5] == ["interrupted", "3/3", "2", "1", "7"]
    assert found["outputs/sweep/91-failed"][0] == "failed"
    assert found["outputs/sweep/92-damaged"][0] == "damaged"
    assert "11 runs: 8 finished, 1 interrupted, 1 failed, 1 damaged" in listed.out
    assert "▸ marks the best value within its protocol: fid, elbo by the test score itself" in listed.out


def test_a_run_that_is_being_trained_is_running(cli, tmp_path):
    run = make_run(tmp_path / "outputs" / "now", epochs=20)
    (run / "results.json").unlink()
    with FileLock(run / ".lock"):
        assert rows(cli("list").out)["outputs/now"][:2] == ["running", "3/20"]
    assert rows(cli("list").out)["outputs/now"][:2] == ["interrupted", "3/20"]


def test_folders_and_scores_can_be_chosen(cli, tmp_path):
    for i, place in enumerate(("a/x", "b/y")):
        make_run(tmp_path / place, 10.0 + i, latent_dim=2 + i)
    listed = cli("list", "b", "show=[kl]")
    assert rows(listed.out) == {"run": ["state", "kl"], "b/y": ["finished", "4.100"]}
    (tmp_path / "empty").mkdir()
    assert cli("list", "empty").out.strip() == "No runs in or below empty"


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
