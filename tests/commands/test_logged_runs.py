"""Tests of runs in W&B and TensorBoard: what is logged reads back, and failures close or leave nothing."""

import json
import subprocess

from conftest import BARE, PROGRAM, TINY


def test_offline_wandb_run_reads_back(finished):
    (folder,) = (finished / "wandb").glob("offline-run-*")
    wandb = PROGRAM.with_name("wandb")

    def read(*flags):
        return subprocess.run(
            [wandb, "leet", "inspect", *flags, "--json", folder], capture_output=True, text=True, check=True
        ).stdout

    summary = json.loads(read("--summary"))
    assert summary["config"]["latent_dim"] == 3
    assert summary["config"]["k2"] == 1
    records = read()
    results = json.loads((finished / "results.json").read_text())["metrics"]
    assert "test/fid" in records
    assert f"{results['test/fid']:.4f}"[:5] in records
    assert "val/loss" in records
    assert '"exit"' in records  # the run was closed
    assert {path.name.split("_")[0] for path in (folder / "files/media/images/figures").iterdir()} >= {
        "samples",
        "curves",
    }
    videos = folder / "files/media/videos/animations"
    assert {path.name.split("_")[0] for path in videos.iterdir()} == {"traversal", "interpolation"}
    assert {path.suffix for path in videos.iterdir()} == {".gif"}


def test_each_job_of_a_sweep_has_its_own_wandb_run(program, tmp_path):
    words = [*TINY, "metrics=loss_terms", "figures=none", "latent_dim=2,3", "hydra.sweep.dir=sweep"]
    done = program("train", "-m", *words)
    assert done.returncode == 0, done.stderr
    assert "wandb sync sweep/*/wandb/offline-run-*" in done.stdout
    seen = {}
    for folder in (tmp_path / "sweep").glob("*/wandb/offline-run-*"):
        inspect = [PROGRAM.with_name("wandb"), "leet", "inspect", "--json", folder]
        records = [json.loads(line) for line in subprocess.check_output(inspect, text=True).splitlines()]
        (started,) = (record["run"] for record in records if record["type"] == "run")
        summary = json.loads(subprocess.check_output([*inspect[:3], "--summary", "--json", folder], text=True))
        seen[started["run_id"]] = summary["config"]["latent_dim"]
        assert "sweep" in started.values()  # the group
        assert any(record["type"] == "exit" for record in records)
    assert sorted(seen.values()) == [2, 3]


def test_tensorboard_run_reads_back(cli, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = [w for w in BARE if not w.startswith(("logger", "figures"))]
    ended = cli("train", *TINY, *words, "logger=tensorboard", "figures=curves", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert "val/loss" in events.Tags()["scalars"]
    assert "figures/curves" in events.Tags()["images"]


def test_wandb_is_closed_when_training_fails(cli, tmp_path):
    import wandb

    words = ["train", "dataset=digits", "optimizer=sgd", "lr=1e20", "epochs=3", "metrics=none", "figures=none"]
    assert cli(*words, "hydra.run.dir=run").status == 1
    assert wandb.run is None


def test_unreachable_wandb_is_reported_and_leaves_nothing(cli, tmp_path, monkeypatch):
    import wandb

    def refuse(**options):
        raise wandb.errors.CommError("no network")

    monkeypatch.setattr(wandb, "init", refuse)
    ended = cli("train", *TINY, "logger.mode=online", "hydra.run.dir=run")
    assert ended.status == 2
    assert "logger.mode=offline" in ended.err
    assert list(tmp_path.iterdir()) == []
