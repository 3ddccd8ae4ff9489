"""Tests of axes in W&B and TensorBoard: every value of a run stands at its optimizer step, as in ``metrics.csv``."""

import csv
import json
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import PROGRAM

LOG_EVERY, STEPS = 2, 13  # steps per epoch: 25 batches in pairs, of which the last has one
RUN = ["dataset=digits", "dataset.limit=200", "batch_size=8", "model=dense", "model.net.width=8", "model.net.depth=1",
       "training.accumulate=2", f"training.log_every={LOG_EVERY}", "metrics=loss_terms", "figures=curves"]  # fmt: skip
TWO_PHASES = ["objective=factor_vae", "objective.width=8", "objective.depth=1"]
Points = dict[str, list[tuple[int, float]]]  # (position on the axis, value) by name, in the order of logging


def from_wandb(run: Path) -> Points:
    """What the offline parts of a run hold, on the axis that W&B's panels have."""
    points: Points = defaultdict(list)
    for part in sorted((run / "wandb").glob("offline-run-*")):
        inspect = [PROGRAM.with_name("wandb"), "leet", "inspect", "--json", part]
        records = [json.loads(line) for line in subprocess.check_output(inspect, text=True).splitlines()]
        axes = [record["metric"] for record in records if record["type"] == "metric"]
        assert {(axis.get("glob_name"), axis.get("step_metric")) for axis in axes} >= {("*", "trainer/global_step")}
        for item in (record["history"]["item"] for record in records if record["type"] == "history"):
            at = item.pop("trainer/global_step")
            for name, value in item.items():
                points[name.removesuffix(".count")].append((at, value))
    return points


def from_tensorboard(run: Path) -> Points:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0}).Reload()
    scalars = {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}
    return {**scalars, **{name: [(e.step, 1.0) for e in events.Images(name)] for name in events.Tags()["images"]}}


READ = {"wandb": from_wandb, "tensorboard": from_tensorboard}


def check(run: Path, logger: str, epochs: int, scored_at: list[int]) -> None:
    """Compare what a logger received with ``metrics.csv`` and ``results.json``."""
    points, rows = READ[logger](run), list(csv.DictReader((run / "metrics.csv").open()))
    assert [(int(row["epoch"]), int(row["step"])) for row in rows] == [(e, e * STEPS) for e in range(1, epochs + 1)]
    for name in set(rows[0]) - {"step"}:  # epoch, train/…, val/…, lr, epoch_seconds
        assert points[name] == [(int(row["step"]), pytest.approx(float(row[name]), rel=1e-5)) for row in rows], name
    curve = points["step/loss"]
    assert [at for at, _ in curve] == list(range(LOG_EVERY, epochs * STEPS + 1, LOG_EVERY))
    results = json.loads((run / "results.json").read_text())["metrics"]
    for name, value in results.items():
        assert [at for at, _ in points[name]] == scored_at
        assert points[name][-1][1] == pytest.approx(value, rel=1e-5)
    assert [at for at, _ in points["figures/curves"]] == scored_at


@pytest.mark.parametrize("logger", READ)
def test_two_phases_accumulated_resumed_and_evaluated(cli, tmp_path, logger):
    ended = cli("train", *RUN, *TWO_PHASES, f"logger={logger}", "epochs=1", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    run = tmp_path / "run"
    check(run, logger, 1, [STEPS])
    (run / "results.json").unlink()
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("epochs: 1", "epochs: 3"))
    ended = cli("train", "resume=run")
    assert ended.status == 0, ended.err
    assert "epoch 2/3" in ended.out
    check(run, logger, 3, [STEPS, 3 * STEPS])
    ended = cli("evaluate", "run=run", "metrics=loss_terms", "figures=curves")
    assert ended.status == 0, ended.err
    check(run, logger, 3, [STEPS, 3 * STEPS, 3 * STEPS])
    upload = "in 3 parts; to upload them as one run, type wandb sync run/wandb/offline-run-*"
    assert (upload in ended.out) is (logger == "wandb")


@pytest.mark.parametrize("logger", READ)
def test_jobs_that_are_trained_as_one(cli, tmp_path, logger):
    own = ["-m", "lr=1e-3,1e-4", "launcher=vectorized", "hydra.sweep.dir=sweep", "epochs=2", f"logger={logger}"]
    ended = cli("train", *RUN, *own)
    assert ended.status == 0, ended.err
    runs = [path.parent for path in (tmp_path / "sweep").glob("*/metrics.csv")]
    assert len(runs) == 2
    for run in runs:
        assert json.loads((run / "environment.json").read_text())["stacked"] == 2
        check(run, logger, 2, [2 * STEPS])


def test_settings_in_wandb_are_words_to_group_by(cli, tmp_path):
    ended = cli("train", *RUN, "metrics=none", "figures=none", "epochs=1", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    (part,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    inspect = [PROGRAM.with_name("wandb"), "leet", "inspect", "--summary", "--json", part]
    config = json.loads(subprocess.check_output(inspect, text=True))["config"]
    names = {"model": "dense", "objective": "elbo", "likelihood": "sigma", "dataset": "digits", "prior": "standard",
             "posterior": "diagonal", "optimizer": "adam", "scheduler": "none"}  # fmt: skip
    assert {group: config[group] for group in names} == names
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert config["parameters"] == environment["parameters"] > 0
    assert config["git_commit"] == environment["git_commit"]
    assert config["options"]["model"]["net"]["width"] == 8
    assert config["beta"] == 1
    assert "choices" not in config
