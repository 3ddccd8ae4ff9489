"""The config of a run folder as that of a new run: repeated without Hydra's settings, and not trusted."""

from pathlib import Path

import pytest
from gadgets import NODES, filled, own_package, planted, two_runs, write_helpers


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return two_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def mark(tmp_path) -> Path:
    """The file that appears if a gadget is called."""
    write_helpers(tmp_path, tmp_path / "called")
    return tmp_path / "called"


@pytest.fixture
def own(tmp_path, monkeypatch):
    yield from own_package(tmp_path, monkeypatch)


REPEAT = ("train", "--config-dir=done", "--config-name=config", "hydra.run.dir=again")


def test_a_run_folder_as_the_config_of_a_command_is_not_trusted(cli, original, tmp_path, mark):
    node = filled(NODES["subprocess.run"], tmp_path, mark)
    planted(original, tmp_path, lambda config: config.update(likelihood=node))
    ended = cli(*REPEAT)
    assert ended.status == 2
    assert ended.err.startswith("vae-lab train: likelihood._target_=subprocess.run: this is not a class of vae_lab")
    assert not mark.exists()
    assert not Path("again").exists()


SYMPY = {"_target_": "sympy.sympify", "_args_": ["__import__('os').system('touch {mark}')"]}
FILTER = {"()": "sympy.sympify", "a": SYMPY["_args_"]}
OF_HYDRA = {
    "callbacks": {"callbacks": {"x": SYMPY}},
    "a callback with a nested node": {"callbacks": {"x": NODES["pathlib touch"]}},
    "filters of logs": {"hydra_logging": {"version": 1, "filters": {"x": FILTER}}},
    "log handlers": {"job_logging": {"version": 1, "handlers": {"x": {"class": "logging.FileHandler",
                                                                       "filename": "{mark}"}}}},
    "a launcher": {"launcher": SYMPY},
    "a search path": {"searchpath": ["file://{folder}"]},
}  # fmt: skip


@pytest.mark.parametrize("gadget", OF_HYDRA)
def test_hydra_never_sees_the_settings_of_hydra_in_a_run_folder(program, monkeypatch, original, tmp_path, mark, gadget):
    """In a process of its own, since Hydra sets up logging, and builds callbacks before any code of ours is called."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # tests in this process may have set it
    node = filled(OF_HYDRA[gadget], tmp_path, mark)
    planted(original, tmp_path, lambda config: config.update(hydra=node))
    done = program(*REPEAT)
    told = "vae-lab train: done/config.yaml: the config of a run has no key hydra; remove it from the file\n"
    assert (done.returncode, done.stderr) == (2, told)
    assert not mark.exists()


@pytest.mark.parametrize("header", ["# @package hydra.callbacks.x", "# @package hydra.callbacks"])
def test_a_header_does_not_move_a_saved_config_to_another_place(cli, original, tmp_path, mark, header):
    planted(original, tmp_path, lambda config: None)
    path = tmp_path / "done" / "config.yaml"
    path.write_text(f"{header}\n{path.read_text()}")
    ended = cli(*REPEAT)
    assert ended.status == 0, ended.err
    assert Path("again/results.json").exists()


@pytest.mark.parametrize(("key", "value"), [("defaults", ["/objective: elbo"]), ("trust", ["subprocess"]), ("x", 1)])
def test_a_saved_config_has_only_the_settings_of_a_run(cli, original, tmp_path, key, value):
    planted(original, tmp_path, lambda config: config.update({key: value}))
    told = f"vae-lab train: done/config.yaml: the config of a run has no key {key}; remove it from the file"
    ended = cli(*REPEAT)
    assert (ended.status, ended.err.strip()) == (2, told)


@pytest.mark.parametrize(
    "words",
    [("train", "--config-dir=done"), ("train", "--config-name=config"),
     ("evaluate", "--config-dir=done", "--config-name=config", "run=done")],
)  # fmt: skip
def test_options_of_a_saved_config_belong_together_and_to_training(cli, words):
    Path("done").mkdir()
    ended = cli(*words)
    assert ended.status == 2
    assert "type vae-lab train --config-dir=<run folder> --config-name=config" in ended.err


def test_a_saved_config_with_a_trusted_package_is_repeated(cli, original, own, tmp_path):
    planted(original, tmp_path, lambda config: config.update(likelihood={"_target_": "ownlab.mine.Mine"}))
    assert cli(*REPEAT).status == 2
    ended = cli(*REPEAT, 'trust=["ownlab", other]')
    assert ended.status == 0, ended.err
