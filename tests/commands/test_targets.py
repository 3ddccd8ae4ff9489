"""Tests that real MNIST runs keep the promises of the README. Each takes minutes (`make test-slow`)."""

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest
from conftest import PROGRAM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("VAE_LAB_DATA" not in os.environ, reason="VAE_LAB_DATA names no folder with MNIST"),
]


def _train(folder: Path, *words: str) -> dict[str, float]:
    env = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    subprocess.run([PROGRAM, "train", *words, "hydra.run.dir=run"], cwd=folder, env=env, check=True)
    return json.loads((folder / "run" / "results.json").read_text())["metrics"]


@pytest.mark.parametrize(("model", "most", "parameters"), [("cnn", 29.5, 2_000_000), ("dense", 31.0, 1_000_000)])
def test_loss_after_five_epochs(tmp_path, model, most, parameters):
    scores = _train(tmp_path, f"model={model}", "epochs=5", "figures=none")
    assert scores["test/recon"] + scores["test/kl"] <= most
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["parameters"] <= parameters


def test_fid_is_lowest_at_sixteen_dimensions(tmp_path):
    fid = {}
    for latent_dim in (1, 4, 16, 128, 1024):
        (folder := tmp_path / str(latent_dim)).mkdir()
        fid[latent_dim] = _train(folder, f"latent_dim={latent_dim}", "k1=0.5", "k2=0.5", "epochs=5", "figures=none",
                                 "logger=none")["test/fid"]  # fmt: skip
    assert min(fid, key=fid.__getitem__) == 16, fid


def test_memory_of_a_default_run_stays_below_two_gib(tmp_path):
    _train(tmp_path, "epochs=1")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 * 2**20  # KiB
