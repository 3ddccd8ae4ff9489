"""Tests of evaluate, sample and resume with the folder of a sweep in the place of a run's."""

import json
import shutil
from pathlib import Path

import pytest

OLD = Path(__file__).parents[1] / "old_runs"
WORDS = ("metrics=[loss_terms]", "figures=none")


@pytest.fixture
def sweep(tmp_path) -> Path:
    return Path(shutil.copytree(OLD / "sweep", tmp_path / "sweep"))


def test_every_finished_run_of_a_sweep_is_scored(cli, sweep):
    (sweep / "beta-2" / "results.json").unlink()
    shutil.copytree(sweep / "beta-1", sweep / "beta-1-again")
    ended = cli("evaluate", "run=sweep", "metrics=latent_use", "figures=none")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.index("1/2 beta-1\n") < ended.out.index("2/2 beta-1-again\n")
    last = ended.out.splitlines()[-1]
    assert last.startswith("Scored 2 of 3 runs in ")
    assert last.endswith("; not finished and left out: beta-2; to compare them, type vae-lab compare sweep")
    for name in ("beta-1", "beta-1-again"):
        assert "test/active_units" in json.loads((sweep / name / "results.json").read_text())["metrics"]
    assert not (sweep / "beta-2" / "results.json").exists()


def test_a_run_that_cannot_be_scored_does_not_stop_the_others(cli, sweep):
    (sweep / "beta-1" / "environment.json").write_text("{}")
    ended = cli("evaluate", "run=sweep", "metrics=latent_use", "figures=none")
    assert ended.status == 1
    assert "Scored 1 of 2 runs" in ended.out
    assert ended.err.count("\n") == 1
    assert "1 of 2 runs could not be scored (beta-1: sweep/beta-1/environment.json is damaged (x_shape" in ended.err
    assert "test/active_units" in json.loads((sweep / "beta-2" / "results.json").read_text())["metrics"]


def test_a_sweep_without_a_finished_run_names_its_command(cli, sweep):
    for name in ("beta-1", "beta-2"):
        (sweep / name / "results.json").unlink()
    ended = cli("evaluate", "run=sweep", *WORDS)
    assert ended.status == 2
    assert "run=sweep: none of its 2 runs is finished; type vae-lab train -m dataset=digits" in ended.err


def test_sample_names_the_runs_of_a_sweep(cli, sweep):
    ended = cli("sample", "run=sweep", "n=2")
    assert (ended.status, ended.out) == (2, "")
    told = "run=sweep: a folder of several runs; type run=sweep/beta-1; runs: beta-1, beta-2\n"
    assert ended.err == f"vae-lab sample: {told}"


def test_resume_names_the_command_of_a_sweep(cli, sweep):
    ended = cli("train", "resume=sweep")
    assert ended.status == 2
    assert "resume=sweep: a folder of several runs; type resume=sweep/beta-1, or vae-lab train -m dataset=" in ended.err


@pytest.mark.parametrize("command", ["evaluate", "sample"])
def test_a_folder_above_runs_names_them(cli, sweep, command):
    sweep.joinpath("sweep.json").unlink()
    assert "runs: beta-1, beta-2" in cli(command, "run=sweep").err


def test_resume_says_after_which_epoch(cli, tmp_path):
    run = shutil.copytree(OLD / "interrupted", tmp_path / "run")
    ended = cli("train", "resume=run")
    assert ended.status == 0, ended.err
    assert "\nResumed after epoch 2 of 3\n" in ended.out
    (run / "results.json").unlink()
    ended = cli("train", "resume=run")
    assert "\nResumed after epoch 3 of 3; all are done, so the run is only scored\n" in ended.out


def test_a_figure_of_damaged_earlier_results_is_left_out_with_a_note(cli, sweep):
    path = sweep / "beta-1" / "results.json"
    results = json.loads(path.read_text())
    results["arrays"]["kl_per_dim"] = ["x", "y"]
    results["arrays"]["mean_variance_per_dim"] = [1.0, 1.0]
    results["protocol"]["latent_use"] = {"threshold": 0.01}
    path.write_text(json.dumps(results))
    ended = cli("evaluate", "run=sweep/beta-1", "metrics=none", "figures=kl_per_dimension")
    assert (ended.status, ended.err) == (0, "")
    assert "No figure kl_per_dimension: it cannot be drawn from sweep/beta-1/results.json (" in ended.out
