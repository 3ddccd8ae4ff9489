"""A hostile run folder runs no code: every gadget of a list, in every place of a folder, through every command."""

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import yaml
from conftest import BARE, TINY
from gadgets import NODES, filled, write_helpers
from rich.console import Console

import vae_lab
from vae_lab.config.make import make
from vae_lab.config.trust import Untrusted, locate, targets_in, targets_typed, trusted, trusting
from vae_lab.errors import NoSuchModule, UserError

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A finished run with a fitted sampler, and the same run without its results."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        from hydra.core.global_hydra import GlobalHydra

        from vae_lab.cli import _main

        patch.chdir(folder)
        for words in (
            ["train", *TINY, *BARE, "model=dense", "latent_dim=2", "hydra.run.dir=done"],
            ["evaluate", "run=done", "sampler=gmm", "metrics=fid", "figures=none", "metrics.fid.samples=8"],
        ):
            GlobalHydra.instance().clear()
            patch.setattr("sys.argv", ["vae-lab", *words])
            assert _main(words) == 0
    shutil.copytree(folder / "done", folder / "begun")
    (folder / "begun" / "results.json").unlink()
    return folder


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
    from vae_lab.commands.evaluate import evaluate
    from vae_lab.commands.sample import sample
    from vae_lab.commands.train import resume, train_worker

    scored = composed("evaluate", "run=x", "metrics=loss_terms", "figures=none")
    fitted = composed("evaluate", "run=x", "metrics=fid", "figures=none", "sampler=gmm", "metrics.fid.samples=8")
    drawn = composed("sample", "run=x", "n=2")
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
        "resume": lambda at: resume(at / "begun", QUIET),
        "worker": lambda at: train_worker(at / "begun"),
        "load_run": lambda at: read(at / "done"),
    }


def planted(original: Path, folder: Path, change) -> Path:
    """Copies of the runs whose configs are changed by a function."""
    for name in ("done", "begun"):
        shutil.copytree(original / name, folder / name)
        path = folder / name / "config.yaml"
        config = yaml.safe_load(path.read_text())
        change(config)
        path.write_text(yaml.safe_dump(config))
    return folder


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


# A package of the user: refused until it is typed.


@pytest.fixture
def own(tmp_path, monkeypatch) -> str:
    """An importable package with a likelihood that notes in a file that it was imported."""
    (tmp_path / "ownlab").mkdir()
    (tmp_path / "ownlab" / "__init__.py").write_text("import os\nfrom pathlib import Path\nPath('imported').touch()\n")
    (tmp_path / "ownlab" / "mine.py").write_text(
        "from vae_lab.likelihoods.mse import MSE\n\nclass Mine(MSE):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield "ownlab"
    import sys

    for name in [name for name in sys.modules if name.startswith("ownlab")]:
        del sys.modules[name]


def test_a_package_is_trusted_in_the_command_that_names_it_and_in_no_other(cli, original, own, tmp_path):
    planted(original, tmp_path, lambda config: config.update(likelihood={"_target_": "ownlab.mine.Mine"}))
    told = ("done/config.yaml: likelihood._target_=ownlab.mine.Mine: this is not a class of vae_lab, so it was not "
            "run; only if you know that this file may run it, type trust=[ownlab]")  # fmt: skip
    for _ in range(2):
        ended = cli("evaluate", "run=done", "metrics=loss_terms", "figures=none")
        assert (ended.status, ended.err.strip()) == (2, f"vae-lab evaluate: {told}")
    assert not Path("imported").exists()
    evaluated = cli("evaluate", "run=done", "trust=[ownlab]", "metrics=loss_terms", "figures=none")
    assert evaluated.status == 0, evaluated.err
    assert cli("sample", "run=done", "n=2").status == 2
    assert cli("sample", "run=done", "trust=[ownlab]", "n=2").status == 0
    assert cli("train", "resume=begun").status == 2
    assert cli("train", "resume=begun", "trust=ownlab").status == 2
    resumed = cli("train", "resume=begun", "trust=[other, ownlab]")
    assert resumed.status == 0, resumed.err
    assert "trust" not in Path("begun/config.yaml").read_text()
    with pytest.raises(Untrusted):
        vae_lab.load_run("done")
    assert vae_lab.load_run("done", trust=["ownlab"]).sample(2).shape == (2, 1, 8, 8)


def test_what_is_typed_is_trusted_in_training_and_is_not_saved_as_trusted(cli, own):
    ended = cli("train", *TINY, *BARE, "model=dense", "likelihood._target_=ownlab.mine.Mine", "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    assert "trust" not in yaml.safe_load(Path("run/config.yaml").read_text())
    assert cli("sample", "run=run", "n=1").status == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trust=ownlab"], "trust=ownlab: must be a list of Python packages; type trust=[mylab]"),
        (["trust=[own-lab]"], "trust=own-lab: not the name of a Python package; type trust=[mylab]"),
        (["trust=[3]"], "trust=[3]: must be a list of Python packages; type trust=[mylab]"),
    ],
)
def test_what_is_no_package_is_not_trusted(cli, own, words, told):
    ended = cli("evaluate", "run=done", *words)
    assert (ended.status, ended.err.strip()) == (2, f"vae-lab evaluate: {told}")


def test_a_trusted_package_lends_its_trust_to_nothing_that_it_imports(own):
    with trusting([own]):
        assert locate("ownlab.mine.Mine").__name__ == "Mine"
        with pytest.raises(Untrusted):
            locate("ownlab.os.system")
        with pytest.raises(Untrusted):
            locate("ownlabel.mine.Mine")
    with pytest.raises(Untrusted):
        locate("ownlab.mine.Mine")


def test_a_package_that_python_does_not_find_is_told_with_pythonpath():
    with pytest.raises(Untrusted, match=r"type trust=\[nolab\], with the folder that holds nolab in PYTHONPATH"):
        locate("nolab.mine.Model", "model")
    with trusting(["nolab"]), pytest.raises(NoSuchModule, match="add the folder that holds it to PYTHONPATH"):
        locate("nolab.mine.Model", "model")


def test_names_are_found_at_any_depth_and_in_words():
    assert targets_in({"a": [{"_target_": "x.Y"}, {"b": {"_target_": "z.W", "c": [{"_target_": "v.U"}]}}]}) == {
        "x.Y", "z.W", "v.U",
    }  # fmt: skip
    words = ["model._target_=a.B", "+prior={_target_: c.D, x: 1}", "figures={a:{'_target_':\"e.F\"}}", "lr=1"]
    assert targets_typed(words) == {"a.B", "c.D", "e.F"}


def test_trust_ends_with_its_block():
    before = trusted()
    with trusting(["a"]):
        with trusting(["b"]):
            assert trusted() == sorted([*before, "a", "b"])
        assert trusted() == sorted([*before, "a"])
    assert trusted() == before


def test_the_names_of_conf_are_allowed_and_their_neighbours_are_not():
    assert locate("torch.optim.Adam").__name__ == "Adam"
    assert locate("vae_lab.report.loggers.wandb_logger").__name__ == "wandb_logger"
    for name in ("torch.optim.RAdam", "vae_lab.report.loggers.close", "torch.optim.lr_scheduler.torch.load"):
        with pytest.raises(Untrusted):
            locate(name)
