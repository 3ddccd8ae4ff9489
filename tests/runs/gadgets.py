"""Hostile run folders: config nodes that would create a file if instantiated, and where they are planted."""

import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from conftest import BARE, TINY

SHELL = "touch {mark}"
CODE = "__import__('os').system('touch {mark}')"

# Each is a node, with {mark} for the file that it creates and {pickle} for a pickle that creates it when it is loaded.
NODES = {
    "sympy.sympify": {"_target_": "sympy.sympify", "_args_": [CODE]},
    "sympy.parsing": {"_target_": "sympy.parsing.sympy_parser.parse_expr", "_args_": [CODE]},
    "os.system": {"_target_": "os.system", "_args_": [SHELL]},
    "posix.system": {"_target_": "posix.system", "_args_": [SHELL]},
    "subprocess.run": {"_target_": "subprocess.run", "_args_": [SHELL], "shell": True},
    "subprocess.Popen": {"_target_": "subprocess.Popen", "_args_": [SHELL], "shell": True},
    "subprocess.getoutput": {"_target_": "subprocess.getoutput", "_args_": [SHELL]},
    "builtins.eval": {"_target_": "builtins.eval", "_args_": [CODE]},
    "builtins.exec": {"_target_": "builtins.exec", "_args_": [CODE]},
    "builtins.open": {"_target_": "builtins.open", "_args_": ["{mark}", "w"]},
    "io.open": {"_target_": "io.open", "_args_": ["{mark}", "w"]},
    "timeit.timeit": {"_target_": "timeit.timeit", "_args_": [CODE], "number": 1},
    "code.interact": {"_target_": "code.InteractiveInterpreter.runsource", "_args_": [None, CODE]},
    "runpy": {"_target_": "runpy.run_path", "_args_": ["{script}"]},
    "importlib": {"_target_": "importlib.machinery.SourceFileLoader.load_module", "_args_": ["x", "{script}"]},
    "pathlib write": {"_target_": "pathlib.Path.write_text", "_args_": ["{mark}", "x"]},
    "pathlib touch": {"_target_": "pathlib.Path.touch", "_args_": [{"_target_": "pathlib.Path", "_args_": ["{mark}"]}]},
    "shutil.copy": {"_target_": "shutil.copy", "_args_": ["{script}", "{mark}"]},
    "pickle": {"_target_": "pickle.load", "_args_": [{"_target_": "io.open", "_args_": ["{pickle}", "rb"]}]},
    "torch.load": {"_target_": "torch.load", "f": "{torch}", "weights_only": False},
    "torch.hub": {"_target_": "torch.hub.load", "repo_or_dir": "{folder}", "model": "x", "source": "local"},
    "torch.jit": {"_target_": "torch.jit.load", "_args_": ["{pickle}"]},
    "torch.save": {"_target_": "torch.save", "obj": 1, "f": "{mark}"},
    "torch.package": {"_target_": "torch.package.PackageImporter", "_args_": ["{pickle}"]},
    "torch.utils.cpp": {"_target_": "torch.utils.cpp_extension.load", "name": "x", "sources": ["{script}"]},
    "joblib.load": {"_target_": "joblib.load", "filename": "{pickle}"},
    "joblib.dump": {"_target_": "joblib.dump", "value": 1, "filename": "{mark}"},
    "numpy.load": {"_target_": "numpy.load", "file": "{pickle}", "allow_pickle": True},
    "numpy.save": {"_target_": "numpy.save", "file": "{mark}", "arr": [1]},
    "numpy.savetxt": {"_target_": "numpy.savetxt", "fname": "{mark}", "X": [1]},
    "pandas": {"_target_": "pandas.read_pickle", "_args_": ["{pickle}"]},
    "scipy": {"_target_": "scipy.io.savemat", "_args_": ["{mark}", {}]},
    "yaml.unsafe_load": {"_target_": "yaml.unsafe_load", "_args_": [f"!!python/object/apply:os.system ['{SHELL}']"]},
    "cloudpickle": {"_target_": "cloudpickle.load", "_args_": [{"_target_": "io.open", "_args_": ["{pickle}", "rb"]}]},
    "hydra": {"_target_": "hydra.utils.instantiate", "_args_": [{"_target_": "os.system", "_args_": [SHELL]}]},
    "hydra call": {"_target_": "hydra.utils.call", "config": {"_target_": "os.system", "_args_": [SHELL]}},
    "functools.partial": {"_target_": "functools.partial", "_args_": [{"_target_": "os.system", "_args_": [SHELL]}]},
    "partial": {"_target_": "os.system", "_args_": [SHELL], "_partial_": True},
    "map": {"_target_": "builtins.list", "_args_": [{"_target_": "builtins.map", "_args_": ["os.system", [SHELL]]}]},
    "through a module of ours": {"_target_": "vae_lab.runs.run_folder.subprocess.run", "args": SHELL, "shell": True},
    "through a component of ours": {"_target_": "vae_lab.data.cache.os.system", "_args_": [SHELL]},
    "through a library of ours": {"_target_": "vae_lab.data.dataset.torch.save", "obj": 1, "f": "{mark}"},
    "a function of ours": {"_target_": "vae_lab.system.files.write_json", "path": "{mark}", "value": 1},
    "a function of a component": {"_target_": "vae_lab.data.cache.cache_dir", "_args_": ["{mark}"]},
    "our command line": {"_target_": "vae_lab.cli.main"},
    "our make": {"_target_": "vae_lab.config.make.make", "node": {"_target_": "os.system", "_args_": [SHELL]}},
    "a class outside the components": {"_target_": "vae_lab.training.history.History", "path": "{mark}"},
    "an optimizer that conf does not name": {"_target_": "torch.optim.Optimizer.load_state_dict", "_args_": [1, 2]},
    "an interpolation": {"_target_": "${oc.decode:'\"os.system\"'}", "_args_": [SHELL]},
    "a created node": {
        "_target_": "vae_lab.likelihoods.mse.MSE",
        "x": '${oc.create:{_target_:os.system,_args_:["' + SHELL + '"]}}',
    },
    "not a name": {"_target_": ["os", "system"], "_args_": [SHELL]},
    "nested in a list": {
        "_target_": "vae_lab.likelihoods.mse.MSE",
        "x": [[{"_target_": "os.system", "_args_": [SHELL]}]],
    },
    "nested in one of ours": {
        "_target_": "vae_lab.models.single_level.SingleLevel",
        "net": {"_target_": "os.system", "_args_": [SHELL]},
        "posterior": {"_target_": "vae_lab.posteriors.DiagonalNormal", "_partial_": True},
    },
}


class _Touch:
    """An object that creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def write_helpers(folder: Path, mark: Path) -> None:
    """Write the files that some gadgets load: a pickle, torch's archive of one, and a script."""
    (folder / "evil.pkl").write_bytes(pickle.dumps(_Touch(mark)))
    torch.save(_Touch(mark), folder / "evil.pt")
    (folder / "hubconf.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n")


def filled(node: object, folder: Path, mark: Path):
    """A node of ``NODES`` with the names of its files."""
    names = {"{mark}": mark, "{pickle}": folder / "evil.pkl", "{torch}": folder / "evil.pt",
             "{script}": folder / "hubconf.py", "{folder}": folder}  # fmt: skip
    if isinstance(node, dict):
        return {key: filled(value, folder, mark) for key, value in node.items()}
    if isinstance(node, list):
        return [filled(value, folder, mark) for value in node]
    if isinstance(node, str):
        for name, path in names.items():
            node = node.replace(name, str(path))
    return node


def two_runs(folder: Path) -> Path:
    """A finished run with a fitted sampler (``done``), and the same run without its results (``begun``)."""
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


def planted(original: Path, folder: Path, change) -> Path:
    """Copies of the runs whose configs are changed by a function."""
    for name in ("done", "begun"):
        shutil.copytree(original / name, folder / name)
        path = folder / name / "config.yaml"
        config = yaml.safe_load(path.read_text())
        change(config)
        path.write_text(yaml.safe_dump(config))
    return folder


def own_package(folder: Path, monkeypatch) -> Iterator[str]:
    """The name of an importable package with a likelihood; a file says that it was imported."""
    (folder / "ownlab").mkdir()
    (folder / "ownlab" / "__init__.py").write_text("import os\nfrom pathlib import Path\nPath('imported').touch()\n")
    (folder / "ownlab" / "mine.py").write_text(
        "from vae_lab.likelihoods.mse import MSE\n\nclass Mine(MSE):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)
    yield "ownlab"
    for name in [name for name in sys.modules if name.startswith("ownlab")]:
        del sys.modules[name]
