"""Tests of what each file of a run folder must hold, through ``load_run`` and the readers."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

import vae_lab
from vae_lab.errors import UserError
from vae_lab.runs import content

OLD = Path(__file__).parents[1] / "old_runs"


@pytest.fixture
def run(tmp_path) -> Path:
    return Path(shutil.copytree(OLD / "finished", tmp_path / "run"))


def told(folder: Path) -> str:
    with pytest.raises(UserError) as why:
        vae_lab.load_run(folder)
    assert "\n" not in str(why.value)
    return str(why.value)


def changed(path: Path, place: str, value: object) -> None:
    """Set an entry of a JSON or YAML file, at keys separated by spaces; a value of ``...`` removes it."""
    text = path.read_text()
    whole = node = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    *parents, last = place.split(" ")
    for parent in parents:
        node = node[parent]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    path.write_text(json.dumps(whole) if path.suffix == ".json" else yaml.safe_dump(whole))


@pytest.mark.parametrize(("file", "place", "value", "what"), [
    ("environment.json", "run_id", ..., "run_id: is missing"),
    ("environment.json", "run_id", "../x", "run_id: String must match pattern"),
    ("environment.json", "sweep", [1], "sweep: must be a valid string"),
    ("environment.json", "x_shape", [1, "8"], "x_shape.1: must be a valid integer"),
    ("environment.json", "x_shape", [], "x_shape: List must have at least 1 item"),
    ("environment.json", "classes", [1], "classes.0: must be a valid string"),
    ("environment.json", "wall_seconds", float("nan"), "wall_seconds: must be a finite number"),
    ("environment.json", "values", {"kind": "sounds"}, "values.kind: must be 'images', 'tokens' or 'vectors'"),
    ("results.json", "status", "interrupted", "status: must be 'finished'"),
    ("results.json", "metrics", [1], "metrics: must be a valid dictionary"),
    ("results.json", "metrics test/fid", "1", "metrics.test/fid: must be a valid number"),
    ("results.json", "intervals test/fid", [1], "intervals.test/fid.1: is missing"),
    ("results.json", "arrays a", 5, "arrays.a: must be a valid list"),
    ("results.json", "protocol fid images", "x", "protocol.fid.images: must be a valid integer"),
    ("results.json", "protocol samplers", [], "protocol.samplers: must be a mapping"),
    ("results.json", "protocol samplers gmm seconds", ..., "protocol.samplers.gmm.seconds: is missing"),
    ("config.yaml", "model _target_", 5, "model._target_=5: must be the path of a class"),
    ("config.yaml", "model _target_", "os", "model._target_=os: must be the path of a class"),
    ("config.yaml", "epochs", "???", "epochs=???: a value that was never set"),
    ("config.yaml", "epochs", -1, "epochs=-1: must be greater than 0"),
    ("config.yaml", "dataset", [1], "dataset=[1]"),
])  # fmt: skip
def test_an_entry_of_the_wrong_type_is_told(run, file, place, value, what):
    changed(run / file, place, value)
    text = told(run)
    assert text.startswith(f"{run / file} is damaged ({what}")
    assert "; remove it and type vae-lab train resume=" in text or "; restore the file, or " in text


def test_a_missing_file_is_told(run):
    (run / "environment.json").unlink()
    again = f"vae-lab train --config-dir={run} --config-name=config hydra.run.dir=<another folder>"
    advice = f"restore the file, or train the run again: {again}"
    assert told(run) == f"{run / 'environment.json'} is missing; {advice}"
    (run / "config.yaml").unlink()
    advice = "restore the file, or remove the folder and train the run again"
    assert told(run) == f"{run / 'config.yaml'} is missing; {advice}"


def test_texts_that_are_shown_do_not_move_the_cursor(run):
    results = json.loads((run / "results.json").read_text())
    results["notes"] = ["a\x1b[2Jb"]
    (run / "results.json").write_text(json.dumps(results))
    assert vae_lab.load_run(run).notes == ["a�[2Jb"]


def test_a_run_without_history_is_read_and_one_with_a_damaged_history_is_told(run):
    (run / "metrics.csv").unlink()
    assert vae_lab.load_run(run).history == []
    (run / "metrics.csv").write_text("")
    advice = "remove it to go on without the curves of these epochs"
    assert told(run) == f"{run / 'metrics.csv'} is damaged (it is empty); {advice}"


@pytest.mark.parametrize(("name", "what"), [
    ("results.json", "is a folder, not a file"),
    ("checkpoints/last.ckpt", "is a folder, not a file"),
    ("figures", "is not a folder"),
])  # fmt: skip
def test_what_stands_in_the_way_of_later_files_is_told_before_training(run, name, what):
    path = run / name
    if path.exists():
        path.unlink()
    if path.suffix:
        path.mkdir()
    else:
        path.write_text("")
    assert told(run).startswith(f"{path} {what}")


def test_the_files_of_a_whole_run_that_went_through_another_system_are_read(run):
    whole = vae_lab.load_run(run)
    for name in ("config.yaml", "environment.json", "results.json", "metrics.csv"):
        text = (run / name).read_bytes()
        (run / name).write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    again = vae_lab.load_run(run)
    assert (again.config, again.scores, again.history) == (whole.config, whole.scores, whole.history)


def test_our_own_configs_have_no_aliases(tmp_path):
    """The reader refuses them, because nine of them can fill the memory."""
    from vae_lab.runs.writing import write_config

    shared = {"a": [1, 2]}
    write_config(tmp_path, {"x": shared, "y": shared, "z": [shared["a"], shared["a"]]})
    assert content.config_of(tmp_path)["y"] == shared


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (
            "vae-lab train -m beta=1,2 'lr=tag(log,interval(1,2))'",
            "vae-lab train -m beta=1,2 'lr=tag(log,interval(1,2))'",
        ),
        ("vae-lab train -m beta=1,2; touch x", "vae-lab train -m 'beta=1,2;' touch x"),
        ("vae-lab train -m $(touch x)", "vae-lab train -m '$(touch' 'x)'"),
        ("touch x", ""),
        ("vae-lab train 'open", ""),
    ],
)
def test_a_command_that_is_shown_is_only_ours(tmp_path, command, shown):
    (tmp_path / "sweep.json").write_text(json.dumps({"command": command, "fixed": [], "varied": {}}))
    assert content.sweep_command(tmp_path) == shown


def test_a_run_is_shown_in_one_line(run):
    loaded = vae_lab.load_run(run)
    assert repr(loaded).startswith(f"Run({str(run)!r}, finished: dense, elbo/sigma on digits, latent_dim=2, ")
    assert repr(loaded).endswith("2 epochs, seed 0; fid 276, elbo −37.04, loss 37.19)")
    assert "\n" not in repr(loaded)
    assert repr(loaded.data) == "Dataset(digits: 100 train, 144 val, 360 test; images of 1×8×8)"
    assert repr(loaded.job) == "Job(SingleLevel, ELBO, 2,516 parameters)"
    assert repr(loaded.evaluation).startswith("Evaluation(dense, elbo/sigma on digits")
    assert "\n" not in repr(loaded.evaluation) + str(loaded.data)


def test_an_interrupted_run_shows_its_epochs():
    assert "interrupted after 2 of 3 epochs" in repr(vae_lab.load_run(OLD / "interrupted"))
