"""Measure how the cost of training grows with images, pixels, latent_dim, batch size and the number of runs."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from cases import Case
from environments import last_line
from images import digits, pictures
from measure import VAE_LAB, WorkerFailed, measured, worker_environment
from results import Row

from vae_lab.config.conf import CONF

IMAGES = {"dense": 12_800, "cnn": 3200}  # per epoch, unless the number of images is what varies
LAUNCHERS = ("sequence", "joblib", "vectorized")
Say = Callable[[str], None]


def growth(threads: int, quick: bool, say: Say) -> list[Row]:
    """Return rows with the varied setting (axis), its value, the model, and the seconds of a step, epoch or sweep."""
    rows = []
    for axis, value, case in axes(quick):
        try:
            found = measured(Path(sys.executable), "vae_lab_train", case.as_json(), threads)
        except WorkerFailed as why:
            say(f"{axis} {value}, {case.model}: failed: {why}")
            continue
        epoch = sum(found["epoch_seconds"][1:]) / (case.epochs - 1)
        step = epoch / -(-case.images // case.batch)
        rows.append({"axis": axis, "model": case.model, "value": value, "epoch_seconds": epoch, "step_seconds": step})
        say(f"{axis} {value}, {case.model}: {1000 * step:.2f} ms per step")
    return rows + list(sweeps(threads, quick, say))


def axes(quick: bool) -> Iterator[tuple[str, int, Case]]:
    """Yield the name of the varied setting, its value, and the case in which only this setting varies."""
    few = slice(1, 3) if quick else slice(None)
    for model in ("dense",) if quick else ("dense", "cnn"):
        n = IMAGES[model]
        base = Case(model, 28, 1, 128, n, epochs=2, data=str(digits()[0]))
        for images in (1280, 3200, 12_800, 51_200)[few] if model == "dense" else (1280, 3200, 12_800)[few]:
            yield "images", images, replace(base, images=images)
        for latent_dim in (2, 16, 128, 1024)[few]:
            yield "latent_dim", latent_dim, replace(base, latent_dim=latent_dim)
        for batch in (32, 128, 512, 1600)[few]:
            yield "batch size", batch, replace(base, batch=batch)
        for side in () if quick else (16, 32, 64):
            scaled = (f"dataset.source.height={side}",)
            yield "pixels", side * side, replace(base, side=64, data=str(pictures()), images=1280, words=scaled)


def sweeps(threads: int, quick: bool, say: Say) -> Iterator[Row]:
    """Yield the seconds of complete sweeps of equal dense jobs under each launcher."""
    for launcher in LAUNCHERS:
        if not (CONF / "launcher" / f"{launcher}.yaml").exists():
            say(f"launcher={launcher} does not exist")
            continue
        for runs in (2,) if quick else (1, 2, 4, 8):
            try:
                seconds = sweep_seconds(launcher, runs, threads)
            except WorkerFailed as why:
                say(f"{runs} runs, launcher={launcher}: failed: {why}")
                break
            say(f"{runs} runs, launcher={launcher}: {seconds:.1f} s")
            yield {"axis": "runs", "model": launcher, "value": runs, "sweep_seconds": seconds}


def sweep_seconds(launcher: str, runs: int, threads: int) -> float:
    """Return the seconds of a sweep over seeds; each job trains for three epochs of 12,800 images without scores.

    Raises:
        WorkerFailed: a job failed.
    """
    words = ["model=dense", f"data_dir={digits()[0]}", "dataset.limit=12800", "epochs=3", "metrics=none",
             "figures=none", "logger=none", f"seed={','.join(map(str, range(runs)))}",
             f"launcher={launcher}"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        command = [*VAE_LAB, "train", "-m", *words]
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=worker_environment(threads), capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - started
    if done.returncode:
        raise WorkerFailed(last_line(done.stderr or done.stdout))
    return seconds
