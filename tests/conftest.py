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
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


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


@pytest.fixture(scope="module")
def browser():
    """A browser without windows, for the tests of one module."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    with api.sync_playwright() as started:
        found = found or started.chromium.executable_path
        if not Path(found).exists():
            pytest.skip("no browser: install chromium, or type playwright install chromium")
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Open a page offline; afterwards nothing was asked of a network and nothing went wrong in it."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    asked, wrong = [], []

    def call(path: Path, scheme: str = "light"):
        page = context.new_page()
        page.emulate_media(color_scheme=scheme)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(path.absolute().as_uri())
        return page

    yield call
    context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert wrong == []
