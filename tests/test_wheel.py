"""Tests of the wheel: it is built, installed into a new environment and run from another folder."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TRAIN = [
    "train",
    "dataset=digits",
    "epochs=2",
    "figures=none",
    "logger=none",
    "metrics=loss_terms",
    "hydra.run.dir=run",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT],
        folder,
    )
    (built,) = folder.glob("vae_lab-*.whl")
    return built


def test_wheel_trains_from_any_folder(wheel, tmp_path):
    """The package comes from the wheel; its dependencies are those of the present environment, added by a path file."""
    python = _environment(tmp_path / "env")
    _run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], tmp_path)
    site = Path(_run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], tmp_path).strip())
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    where = _run([python, "-c", "import vae_lab.config.help as h; print(h.CONF)"], tmp_path).strip()
    assert Path(where) == site / "vae_lab" / "conf"
    _run([python.with_name("vae-lab"), *TRAIN], tmp_path)
    assert (tmp_path / "run" / "results.json").exists()
    _run([python.with_name("vae-lab"), "compare", "run", "out=compared"], tmp_path)
    assert "function drawTable" in (tmp_path / "compared" / "compare.html").read_text()


@pytest.mark.slow
def test_wheel_brings_all_it_needs(wheel, tmp_path):
    """Install the wheel and its dependencies into a new environment, which downloads some GB for torch."""
    python = _environment(tmp_path / "env")
    _run([python, "-m", "pip", "install", "--quiet", wheel], tmp_path)
    _run([python.with_name("vae-lab"), *TRAIN], tmp_path)
    assert (tmp_path / "run" / "results.json").exists()


def _environment(folder: Path) -> Path:
    _run([sys.executable, "-m", "venv", folder], folder.parent)
    return folder / "bin" / "python"


def _run(words: list, cwd: Path) -> str:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
