"""Fixtures: the program run in this process, the installed program in a new process, and a finished run on digits."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

# Test processes run in parallel and start further processes. With more than one thread, they slow down each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
PROGRAM = Path(sys.executable).parent / "vae-lab"
TINY = ("dataset=digits", "likelihood=mse", "dataset.limit=16", "batch_size=8", "epochs=1")
BARE = ("logger=none", "metrics=none", "figures=none")


@dataclass
class Ended:
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Make all test processes share a cache of trained classifiers. The user's cache and W&B login are not used."""
    shared = tmp_path_factory.getbasetemp().parent / "cache"
    os.environ["VAE_LAB_CACHE"] = str(shared)
    os.environ.pop("WANDB_API_KEY", None)
    os.environ["NETRC"] = str(shared / "no-netrc")


@pytest.fixture(scope="session", autouse=True)
def _trusted_stand_ins():
    """Let configs name the stand-ins of the tests, which a user would allow by ``trust=[stand_ins,stacked_runs]``."""
    from vae_lab.config.trust import trusting

    with trusting(["stand_ins", "stacked_runs"]):
        yield


@pytest.fixture(autouse=True)
def _own_wandb_service():
    """End W&B's service after each test. A service that outlives a test writes no files for the runs of later tests."""
    yield
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()
    os.environ.pop("WANDB_SERVICE", None)


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys) -> Callable[..., Ended]:
    """Runs a command line in this process, from an empty folder. This is quick, because torch is already imported."""
    from hydra.core.global_hydra import GlobalHydra

    from vae_lab.cli import _main

    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Ended:
        GlobalHydra.instance().clear()
        monkeypatch.setattr(sys, "argv", ["vae-lab", *words])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        capsys.readouterr()
        status = _main(list(words))
        return Ended(status, *capsys.readouterr())

    return call


@pytest.fixture
def program(tmp_path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the installed console script in a new process, from an empty folder."""

    def call(*words: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run(
            [PROGRAM, *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300, **options
        )

    return call


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A run on digits with W&B offline, all fast metrics and all figures. Tests must not change it (see `run_copy`)."""
    folder = tmp_path_factory.mktemp("finished")
    words = ["train", "dataset=digits", "likelihood=sigma", "epochs=15", "latent_dim=3", "hydra.run.dir=run"]
    done = subprocess.run([PROGRAM, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    (folder / "run" / "stdout.txt").write_text(done.stdout)
    return folder / "run"


@pytest.fixture
def run_copy(finished, tmp_path) -> Path:
    """A copy of the finished run that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run", symlinks=True))
