"""Tests of sweeps from the command line: planned, run once, extended, and refused where they do not belong."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import BARE, PROGRAM, TINY

WORDS = [word for word in (*TINY, *BARE) if not word.startswith("metrics")] + ["metrics=loss_terms", "sweep=mine"]
FOLDER = Path("outputs/sweeps/mine")


def finished(tmp_path: Path) -> dict[str, int]:
    """When each finished job wrote its results."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / FOLDER).glob("*/results.json")}


def test_a_dry_run_lists_the_numbered_jobs_and_writes_nothing(cli, tmp_path):
    ended = cli("train", "-m", *WORDS, "latent_dim=2,3", "beta=1,4", "dry_run=true")
    assert ended.status == 0
    assert "4 jobs, varying latent_dim (2, 3), beta (1, 4)" in ended.out
    assert "4  latent_dim=3 beta=4  new" in ended.out
    assert not (tmp_path / "outputs").exists()


def test_a_glob_sweeps_over_the_options_of_a_folder_that_match(cli, tmp_path):
    ended = cli("train", "-m", *WORDS, "experiment=glob(family/v*, exclude=family/vq_*)", "sampler=gmm", "dry_run=true")
    assert ended.status == 0, ended.err
    assert "2 jobs, varying experiment (family/vae, family/vamp)" in ended.out
    ended = cli("train", "-m", *WORDS, "experiment=glob(nowhere/*)", "dry_run=true")
    told = "vae-lab train: experiment=glob(nowhere/*): no option of experiment matches"
    assert (ended.status, ended.err.strip()) == (2, told)


@pytest.mark.parametrize("option", ["--config-name=config", "--config-dir=."])
def test_options_that_a_sweep_would_ignore_are_refused(cli, tmp_path, option):
    ended = cli("train", "-m", *WORDS, "latent_dim=2,3", option)
    told = f"vae-lab train: {option}: does not apply to sweeps; leave it out, or leave out -m and what is swept"
    assert (ended.status, ended.err.strip()) == (2, told)
    assert not (tmp_path / "outputs").exists()


def test_finished_jobs_are_not_run_again_and_values_can_be_added(cli, tmp_path):
    assert cli("train", "-m", *WORDS, "latent_dim=2,3").status == 0
    before = finished(tmp_path)
    assert set(before) == {"latent_dim-2", "latent_dim-3"}
    again = cli("train", "-m", *WORDS, "latent_dim=2,3")
    assert again.status == 0
    assert "2 finished" in again.out
    assert finished(tmp_path) == before
    more = cli("train", "-m", *WORDS, "latent_dim=2,3,4", "seed=0,1")
    assert more.status == 0, more.out
    assert "2 finished, 4 new" in more.out  # seed=0 is what the first two were
    after = finished(tmp_path)
    assert len(after) == 6
    assert before.items() <= after.items()
    record = json.loads((tmp_path / FOLDER / "sweep.json").read_text())
    assert record["varied"] == {"latent_dim": ["2", "3", "4"], "seed": ["0", "1"]}
    assert (tmp_path / FOLDER / "summary.csv").is_file()


def test_a_job_whose_settings_are_not_valid_is_told_before_anything_is_trained(cli, tmp_path):
    ended = cli("train", "-m", *WORDS, "latent_dim=2,x", "dry_run=true")
    assert "1 new, 1 not valid" in ended.out
    assert "2  latent_dim=x  latent_dim=x: must be a valid integer; type latent_dim=16" in ended.out
    ended = cli("train", "-m", *WORDS, "latent_dim=x,y")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "vae-lab train: latent_dim=x: must be a valid integer; type latent_dim=16\n"
    assert not (tmp_path / "outputs").exists()


def test_a_failed_job_is_named_with_its_reason_and_tried_again(cli, tmp_path):
    ended = cli("train", "-m", *WORDS, "lr=1e-3,1e30", "optimizer=sgd")
    assert ended.status == 1
    assert "1 failed" in ended.out
    (failed,) = (tmp_path / FOLDER).glob("*/failure.json")
    assert "NaN" in json.loads(failed.read_text())["reason"]
    assert set(finished(tmp_path)) == {"lr-0.001"}
    again = cli("train", "-m", *WORDS, "lr=1e-3,1e30", "optimizer=sgd", "dry_run=true")
    assert "failed before" in again.out


def test_failed_jobs_are_tried_again(cli, tmp_path):
    assert cli("train", "-m", *WORDS, "latent_dim=2,3").status == 0
    folder = tmp_path / FOLDER / "latent_dim-3"
    before = (folder / "results.json").read_text()
    (folder / "results.json").unlink()
    (folder / "failure.json").write_text('{"reason": "no space left on device"}')
    told = cli("train", "-m", *WORDS, "latent_dim=2,3", "dry_run=true").out
    assert "failed before (no space left on device), to be tried again" in told
    assert cli("train", "-m", *WORDS, "latent_dim=2,3").status == 0
    assert (folder / "results.json").read_text() == before
    assert not (folder / "failure.json").exists()


def test_a_damaged_result_is_reported_and_not_overwritten(cli, tmp_path):
    assert cli("train", "-m", *WORDS, "latent_dim=2,3").status == 0
    path = tmp_path / FOLDER / "latent_dim-3" / "results.json"
    path.write_text("{cut")
    again = cli("train", "-m", *WORDS, "latent_dim=2,3")
    assert again.status == 1
    told = " ".join(again.out.split())
    assert "results.json is damaged (" in told
    assert "remove it and type vae-lab train resume=" in told
    assert path.read_text() == "{cut"


def test_words_that_name_nothing_fail_by_themselves(cli, tmp_path):
    ended = cli("train", "-m", *WORDS, "model=dense,denze")
    assert ended.status == 1
    assert "did you mean 'dense'" in ended.out.replace("\n", " ")
    assert set(finished(tmp_path)) == {"model-dense"}


def test_a_folder_of_something_else_is_left_alone(cli, tmp_path):
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "thesis.txt").write_text("mine")
    ended = cli("train", "-m", *WORDS, "latent_dim=2,3")
    assert ended.status == 2
    assert "not the folder of a sweep; type sweep=<another name>" in ended.err
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["thesis.txt"]


def test_another_sweep_is_not_mixed_in(cli, tmp_path):
    assert cli("train", "-m", *WORDS, "latent_dim=2,3").status == 0
    other = cli("train", "-m", *WORDS, "latent_dim=4,5", "model=dense")
    assert other.status == 2
    assert "holds another sweep" in other.err
    assert "model=dense" in other.err
    assert set(finished(tmp_path)) == {"latent_dim-2", "latent_dim-3"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["beta=interval(1,2)"], "search=optuna"),
        (["hydra.run.dir=x", "beta=1,2"], "hydra.sweep.dir"),
        (["hydra/launcher=joblib", "beta=1,2"], "launcher=joblib"),
        (["launcher=jobl", "beta=1,2"], "did you mean 'joblib'"),
        (["launcher=joblib", "launcher.jobs=999", "beta=1,2"], "launcher.jobs="),
        (["latent_dim 4"], "key=value"),
    ],
)
def test_bad_words_of_a_sweep_are_reported_in_one_line(cli, tmp_path, words, told):
    ended = cli("train", "-m", *WORDS, *words)
    assert ended.status == 2
    assert told in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_joblib_gives_the_numbers_of_the_sequence(program, tmp_path):
    words = ["train", "-m", *WORDS, "latent_dim=2,3", "seed=0,1"]
    assert program(*words).returncode == 0
    done = program(*words, "launcher=joblib", "hydra.sweep.dir=side")
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / FOLDER).glob("*/results.json"):
        assert path.read_text() == (tmp_path / "side" / path.parent.name / "results.json").read_text()


def kill_and_restart(folder: Path, words: list[str], kills: list[float]) -> tuple[list[int], list[str]]:
    """Start the program and kill it after so many seconds from its first finished epoch; then let it end."""
    counts = []
    for seconds in kills:
        with subprocess.Popen([PROGRAM, *words], cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True) as run:
            began, before = time.monotonic(), _epochs(folder)
            while _epochs(folder) == before and run.poll() is None and time.monotonic() - began < 120:
                time.sleep(0.05)
            time.sleep(seconds)
            os.killpg(run.pid, signal.SIGKILL)
        counts.append(len(list((folder / FOLDER).glob("*/results.json"))))
    ended = subprocess.run([PROGRAM, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return counts, ended.stdout.splitlines()


def _epochs(folder: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in (folder / FOLDER).glob("*/metrics.csv"))


def results(folder: Path) -> dict[str, str]:
    return {path.parent.name: path.read_text() for path in (folder / FOLDER).glob("*/results.json")}


def check_killed_sweep(tmp_path: Path, words: list[str], kills: list[float]) -> None:
    for name in ("killed", "undisturbed"):
        (tmp_path / name).mkdir()
    counts, told = kill_and_restart(tmp_path / "killed", words, kills)
    kill_and_restart(tmp_path / "undisturbed", words, [])
    assert results(tmp_path / "killed") == results(tmp_path / "undisturbed")
    summaries = {(tmp_path / name / FOLDER / "summary.csv").read_bytes() for name in ("killed", "undisturbed")}
    assert len(summaries) == 1
    total = len(results(tmp_path / "killed"))
    assert (
        sum(line.lstrip()[:1].isdigit() and "finished" in line and "since" in line for line in told)
        == total - counts[-1]
    )


def test_a_killed_sweep_ends_with_the_numbers_of_an_undisturbed_one(tmp_path):
    words = ["train", "-m", *WORDS, "epochs=20", "latent_dim=2,3", "seed=0,1"]
    words.remove("epochs=1")
    check_killed_sweep(tmp_path, words, [0.3])


@pytest.mark.slow
def test_twelve_jobs_killed_three_times_at_random(tmp_path):
    words = [
        "train",
        "-m",
        "dataset=digits",
        "epochs=25",
        "logger=none",
        "sweep=mine",
        "latent_dim=2,3,4,5",
        "seed=0,1,2",
    ]
    draws = random.Random(0)
    check_killed_sweep(tmp_path, words, [draws.uniform(0, 25) for _ in range(3)])


def test_a_job_whose_config_is_damaged_fails_with_advice(cli, tmp_path):
    assert cli("train", "-m", *WORDS, "latent_dim=2,3").status == 0
    config = tmp_path / FOLDER / "latent_dim-3" / "config.yaml"
    config.write_text(config.read_text()[:100] + "[")
    again = cli("train", "-m", *WORDS, "latent_dim=2,3")
    assert again.status == 1
    assert "is damaged; remove outputs/sweeps/mine/latent_dim-3" in " ".join(again.out.split())


def test_a_damaged_record_of_the_sweep_is_written_again(cli, tmp_path):
    assert cli("train", "-m", *WORDS, "latent_dim=2,3").status == 0
    before = finished(tmp_path)
    (tmp_path / FOLDER / "sweep.json").write_text("{cut")
    assert cli("train", "-m", *WORDS, "latent_dim=2,3").status == 0
    assert finished(tmp_path) == before
    assert json.loads((tmp_path / FOLDER / "sweep.json").read_text())["varied"] == {"latent_dim": ["2", "3"]}


def test_a_damaged_checkpoint_is_reported_with_the_way_out(cli, tmp_path):
    assert cli("train", "-m", *WORDS, "latent_dim=2").status == 0
    folder = tmp_path / FOLDER / "run"
    before = (folder / "results.json").read_text()
    (folder / "results.json").unlink()
    for name in ("last.ckpt", "best.ckpt"):
        (folder / "checkpoints" / name).write_bytes(b"cut")
    ended = cli("train", "-m", *WORDS, "latent_dim=2")
    assert ended.status == 1
    assert "to train this run from the beginning" in " ".join(ended.out.split())
    shutil.rmtree(folder / "checkpoints")
    assert cli("train", "-m", *WORDS, "latent_dim=2").status == 0
    assert (folder / "results.json").read_text() == before


def test_a_sweep_that_was_killed_before_it_wrote_anything_can_be_started_again(cli, tmp_path):
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / ".lock").write_text("")
    ended = cli("train", "-m", *WORDS, "latent_dim=2")
    assert ended.status == 0, ended.err


def test_words_that_no_job_can_be_composed_of_start_nothing(cli, tmp_path):
    ended = cli("train", "-m", *WORDS, "latnt_dim=2,4")
    assert ended.status == 2
    assert "did you mean 'latent_dim'" in ended.err
    assert not (tmp_path / "outputs").exists()


def test_several_values_without_m_are_refused_with_the_words_to_type(cli):
    ended = cli("train", *TINY, "latent_dim=2,4")
    assert ended.status == 2
    assert "latent_dim=2,4: several values; type -m for a sweep" in ended.err


def test_of_a_key_given_twice_the_last_counts(cli):
    told = cli("train", "-m", *WORDS, "latent_dim=2,4", "beta=1,2", "latent_dim=8", "dry_run=true").out
    assert "2 jobs, varying beta (1, 2)" in told
