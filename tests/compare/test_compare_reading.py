import json

import pytest
import yaml
from made import make_run

from vae_lab.compare.compared import Compared
from vae_lab.compare.folders import resolve, run_folders
from vae_lab.compare.plots.plotted import Plotted
from vae_lab.compare.reading import read, read_sweep
from vae_lab.compare.views.summary import write_summary
from vae_lab.errors import UserError


def test_a_finished_run_is_read_whole(tmp_path):
    record = read(make_run(tmp_path / "12-30-05-beta-4", 12.0, beta=4.0))
    assert (record.status, record.name, record.status_text) == ("finished", "beta-4", "finished")
    assert record.scores["test/fid"] == 12.0
    assert record.intervals == {"test/fid": (11.0, 13.0)}
    assert [row["val/loss"] for row in record.history] == [16.0, 15.0, 14.0]
    assert record.config["beta"] == 4.0


@pytest.mark.parametrize("file", ["config.yaml", "results.json"])
@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "\x00", "a: b: c", "5", "null"])
def test_a_damaged_file_is_reported_and_the_rest_is_read(tmp_path, file, content):
    folder = make_run(tmp_path / "run")
    (folder / file).write_text(content)
    record = read(folder)
    assert record.status == "damaged"
    assert file in record.status_text
    assert "\n" not in record.status_text
    assert len(record.history) == 3


def test_bytes_that_are_no_text_are_reported(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "results.json").write_bytes(b"\xff\xfe\xfa")
    assert "results.json is damaged" in read(folder).status_text


@pytest.mark.parametrize("part", ["metrics", "protocol", "meanings", "intervals"])
def test_results_of_another_shape_are_reported(tmp_path, part):
    folder = make_run(tmp_path / "run")
    results = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps({**results, part: [1]}))
    assert read(folder).status_text == f"damaged: results.json is damaged ({part}: must be a valid dictionary)"


@pytest.mark.parametrize("value", [None, "x", True, [1], 10**400], ids=lambda value: str(value)[:5])
def test_a_score_that_is_no_number_makes_a_marked_row(tmp_path, value):
    folder = make_run(tmp_path / "run")
    results = json.loads((folder / "results.json").read_text())
    results["metrics"]["test/a"] = value
    (folder / "results.json").write_text(json.dumps(results))
    assert read(folder).status_text.startswith("damaged: results.json is damaged (")


def test_scores_that_are_not_finite_are_kept(tmp_path):
    folder = make_run(tmp_path / "run")
    results = json.loads((folder / "results.json").read_text())
    results["metrics"] |= {"test/a": float("nan"), "test/b": float("inf")}
    (folder / "results.json").write_text(json.dumps(results))
    assert {"test/a", "test/b"} <= set(read(folder).scores)


def test_a_damaged_history_removes_the_curves_alone(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "metrics.csv").write_text("epoch,step,val/loss\n0,1,3\n1,2,x\n")
    record = read(folder)
    assert (record.status, record.history) == ("finished", [])
    assert record.status_text == "finished; metrics.csv is damaged (line 3: could not convert string to float: 'x')"


def test_runs_without_scores_say_why(tmp_path):
    interrupted = make_run(tmp_path / "a")
    (interrupted / "results.json").unlink()
    assert read(interrupted).status_text == "interrupted: after 3 epochs"
    (interrupted / "metrics.csv").unlink()
    assert read(interrupted).status_text == "interrupted: before the first epoch"
    (interrupted / "failure.json").write_text('{"reason": "out of\\nmemory"}')
    assert read(interrupted).status_text == "failed: out of memory"
    (interrupted / "config.yaml").unlink()
    assert read(interrupted).status_text == "failed: out of memory"
    half = tmp_path / "b"
    half.mkdir()
    (half / "environment.json").write_text("{}")
    assert read(half).status_text == "damaged: config.yaml is missing"


def test_a_config_of_something_else_is_reported(tmp_path):
    (tmp_path / "config.yaml").write_text("name: another program\n")
    assert read(tmp_path).status_text == "damaged: config.yaml is not the config of a run"


def test_runs_are_found_below_and_each_once_in_the_order_of_their_numbers(tmp_path):
    runs = [make_run(tmp_path / "sweep" / f"{i}-job") for i in (10, 2)] + [make_run(tmp_path / "x" / "y" / "run")]
    inner = runs[0] / "wandb" / "files"
    inner.mkdir(parents=True)
    (inner / "config.yaml").write_text("a: 1")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "config.yaml").write_text("a: 1")
    (tmp_path / "empty").mkdir()
    found, empty = run_folders([tmp_path / "sweep", tmp_path, runs[0], tmp_path / "empty"])
    assert found == [runs[1], runs[0], runs[2]]
    assert empty == [tmp_path / "empty"]


def test_words_are_folders_or_globs(tmp_path):
    runs = [make_run(tmp_path / f"run{i}") for i in range(2)]
    odd = make_run(tmp_path / "a[1]=b")
    assert resolve([str(tmp_path / "run*")], "list") == runs
    assert resolve([str(odd)], "list") == [odd]
    (tmp_path / "file").write_text("")
    for word, told in (("nowhere*", "no such folder"), ("file", "a file, not a folder")):
        with pytest.raises(UserError, match=told):
            resolve([str(tmp_path / word)], "compare")
    with pytest.raises(UserError, match="type vae-lab compare outputs"):
        resolve([], "compare")


def test_a_damaged_sweep_file_is_no_sweep_file(tmp_path):
    assert read_sweep(tmp_path) == {}
    (tmp_path / "sweep.json").write_text("[")
    assert read_sweep(tmp_path) == {}
    record = {"fixed": [], "varied": {}, "pareto": [["test/fid", "min"], ["test/elbo", "max"]]}
    (tmp_path / "sweep.json").write_text(json.dumps(record))
    assert read_sweep(tmp_path) == {"pareto": [("test/fid", "min"), ("test/elbo", "max")]}


@pytest.mark.parametrize("odd", [None, [], {}, [1, {"a": 2}], "x", True, float("inf"), -1e300], ids=repr)
@pytest.mark.parametrize("key", ["seed", "choices", "dataset", "likelihood", "objective", "model", "k1", "latent_dim"])
def test_whatever_a_config_holds_is_a_row(tmp_path, key, odd):
    folders = [make_run(tmp_path / str(i), 1.0 + i, latent_dim=2 + i) for i in range(3)]
    config = yaml.safe_load((folders[0] / "config.yaml").read_text())
    (folders[0] / "config.yaml").write_text(yaml.safe_dump({**config, key: odd}))
    compared = Compared([read(folder) for folder in folders])
    assert len(compared.order) == 3
    assert Plotted(compared, []).curves
    write_summary(compared, tmp_path / "summary.csv")
    assert len((tmp_path / "summary.csv").read_text().splitlines()) == 4
