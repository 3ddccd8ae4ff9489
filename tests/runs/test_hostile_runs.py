"""A hostile run folder runs no code: every gadget of a list, in every place of a folder, through every command."""

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import yaml
from conftest import BARE, TINY
from gadgets import NODES, filled, planted, two_runs, write_helpers
from rich.console import Console

import vae_lab
from vae_lab.config.make import make
from vae_lab.errors import UserError

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return two_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def mark(tmp_path) -> Path:
    """The file that appears if a gadget is called."""
    write_helpers(tmp_path, tmp_path / "called")
    return tmp_path / "called"


def composed(command: str, *words: str) -> dict:
    """The config of a command, as the command line would compose it."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from vae_lab.config.conf import CONF

    with initialize_config_dir(str(CONF.absolute()), version_base="1.3"):
        return OmegaConf.to_container(compose(command, list(words)), resolve=True)


@pytest.fixture(scope="module")
def commands() -> dict:
    """What each command does with a run folder, beyond reading its words."""
    from vae_lab.commands.encode import encode
    from vae_lab.commands.evaluate import evaluate
    from vae_lab.commands.sample import sample
    from vae_lab.commands.train import resume, train_worker

    scored = composed("evaluate", "run=x", "metrics=loss_terms", "figures=none")
    fitted = composed("evaluate", "run=x", "metrics=fid", "figures=none", "sampler=gmm", "metrics.fid.samples=8")
    drawn = composed("sample", "run=x", "n=2")
    encoded = composed("encode", "run=x", "images=test", "to=codes.csv")
    from_fit = composed("sample", "run=x", "n=2", "sampler=gmm")

    def with_run(config: dict, folder: Path) -> dict:
        return {**config, "run": str(folder), "choices": {"sampler": "gmm"}}

    def read(folder: Path) -> None:
        run = vae_lab.load_run(folder)
        run.sample(1)
        run.sample(1, sampler="gmm")

    return {
        "evaluate": lambda at: evaluate(with_run(scored, at / "done"), QUIET),
        "evaluate sampler": lambda at: evaluate(with_run(fitted, at / "done"), QUIET),
        "sample": lambda at: sample(with_run(drawn, at / "done"), QUIET),
        "sample sampler": lambda at: sample(with_run(from_fit, at / "done"), QUIET, sampler_typed=False),
        "encode": lambda at: encode(with_run(encoded, at / "done"), QUIET),
        "resume": lambda at: resume(at / "begun", QUIET),
        "worker": lambda at: train_worker(at / "begun"),
        "load_run": lambda at: read(at / "done"),
    }


PLACES = {
    "likelihood": lambda config, node: config.update(likelihood=node),
    "logger": lambda config, node: config.update(logger=node),
    "model.net": lambda config, node: config["model"].update(net=node),
}


@pytest.mark.parametrize("gadget", NODES)
def test_no_command_calls_what_a_config_names(original, tmp_path, mark, commands, gadget):
    node, places = filled(NODES[gadget], tmp_path, mark), list(PLACES)
    place = places[list(NODES).index(gadget) % len(places)]  # every place is tried with a third of the gadgets
    folder = planted(original, tmp_path, lambda config: PLACES[place](config, node))
    for name, command in commands.items():
        with pytest.raises(UserError) as told:
            command(folder)
        assert "\n" not in str(told.value), name
        assert "config.yaml" in str(told.value), name
        assert not mark.exists(), name


@pytest.mark.parametrize("gadget", NODES)
def test_make_calls_nothing_else(tmp_path, mark, gadget):
    with pytest.raises(UserError):
        make(filled(NODES[gadget], tmp_path, mark))
    assert not mark.exists()


@pytest.mark.parametrize("gadget", NODES)
def test_no_command_calls_what_a_samplers_file_names(original, tmp_path, mark, commands, gadget):
    folder = planted(original, tmp_path, lambda config: None)
    path = folder / "done" / "samplers" / "gmm.pt"
    saved = torch.load(path, weights_only=True)
    saved["about"]["settings"] = filled(NODES[gadget], tmp_path, mark)
    torch.save(saved, path)
    for name in ("sample sampler", "load_run"):
        with pytest.raises(UserError) as told:
            commands[name](folder)
        assert "gmm.pt" in str(told.value), name
        assert not mark.exists(), name


@pytest.mark.parametrize("file", ["checkpoints/best.ckpt", "checkpoints/last.ckpt", "samplers/gmm.pt"])
def test_no_command_unpickles_what_a_file_holds(original, tmp_path, mark, commands, file):
    folder = planted(original, tmp_path, lambda config: None)
    for name in ("done", "begun"):
        shutil.copy(tmp_path / "evil.pt", folder / name / file)
    for name, command in commands.items():
        # A file that the command does not read is no reason to refuse the run. A worker process starts only after the
        # first process has read the files, and has no message of its own.
        with suppress(UserError if name != "worker" else Exception):
            command(folder)
        assert not mark.exists(), name


def test_a_comparison_builds_nothing(cli, original, tmp_path, mark):
    for number, node in enumerate(NODES.values()):
        place = list(PLACES.values())[number % len(PLACES)]
        shutil.copytree(original / "done", tmp_path / "runs" / str(number))
        path = tmp_path / "runs" / str(number) / "config.yaml"
        config = yaml.safe_load(path.read_text())
        place(config, filled(node, tmp_path, mark))
        path.write_text(yaml.safe_dump(config))
    ended = cli("compare", "runs")
    assert ended.status == 0, ended.err
    assert not mark.exists()


def test_a_sweep_resumes_its_job_without_calling_what_its_folder_names(cli, tmp_path, mark):
    """Two configs that differ only in the logger are the same job, and the saved one is resumed."""
    words = ["train", "-m", *TINY, *BARE, "model=dense", "latent_dim=2,3", "sweep=s"]
    assert cli(*words).status == 0
    job = Path("outputs/sweeps/s/latent_dim-2")
    config = yaml.safe_load((job / "config.yaml").read_text())
    config["logger"] = filled(NODES["os.system"], tmp_path, mark)
    (job / "config.yaml").write_text(yaml.safe_dump(config))
    (job / "results.json").unlink()
    ended = cli(*words)
    assert ended.status == 1
    assert "os.system" in (job / "failure.json").read_text()
    assert not mark.exists()
