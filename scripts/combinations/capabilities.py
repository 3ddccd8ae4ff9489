"""Takes a run of a model through every metric, figure, sampler and command: each works, or says in one line why not."""

import contextlib
import csv
import io
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hydra.core.global_hydra import GlobalHydra

import vae_lab
from combinations.composing import SMALL, raw, smaller
from combinations.parts import figures, metrics
from combinations.trying import Result, wrong_refusal
from vae_lab.cli import _main
from vae_lab.config.help import groups
from vae_lab.errors import one_line

BARE = ("logger=none", "metrics=none", "figures=none")
FEW = {"epochs": 1, "components": 2, "steps": 3}  # of the fit of a sampler


def images_of_squares(path: Path) -> Path:
    """Write 180 images of 9×9 with a label and three known factors: the place and the size of a square."""
    grid = np.stack(np.meshgrid(range(6), range(6), range(5), indexing="ij"), -1).reshape(-1, 3)
    images = np.zeros((len(grid), 9, 9), np.uint8)
    for image, (row, column, size) in zip(images, grid):
        image[row : row + 1 + size, column : column + 1 + size] = 255
    np.savez(path, images=images, factors=grid, labels=grid[:, 2])
    return path


def results_of(words: list[str], folder: Path, slow: bool) -> Iterator[Result]:
    """Train a run of a model with these words and try everything with it.

    Args:
        words: what is typed for it, beside the data and the sizes.
        folder: an empty folder.
        slow: also compile the step, and train in two processes, which takes half a minute each.
    """
    data = images_of_squares(folder / "squares.npz")
    source = {"path": data, "array": "images", "labels": "labels", "factors": "factors"}
    of_data = ["dataset=arrays", *(f"dataset.source.{key}={value}" for key, value in source.items())]
    words = [*of_data, "dataset.limit=60", "batch_size=20", *words, *small_words(words)]
    with contextlib.chdir(folder):
        yield command("train", "train", *words, *BARE, "epochs=2", "hydra.run.dir=run")
        if not (folder / "run" / "results.json").is_file():
            return
        yield from commands(words, slow)
        yield from samplers()
        evaluation = vae_lab.load_run("run").evaluation
        yield from metrics(evaluation)
        yield from figures(evaluation)


def small_words(words: list[str]) -> list[str]:
    """Words that make the networks and the objective of a run small."""
    chosen = [word for word in words if "." not in word.partition("=")[0] and word.partition("=")[0] in groups()]
    config, found = raw(*chosen), []
    for group in ("model", "objective", "posterior", "prior", "quantizer", "sampler"):
        node, most = config[group] or {}, SMALL | (FEW if group == "sampler" else {})
        found += [f"{key}={value}" for key, value in changed(node, smaller(node, "", most), group)]
    return found


def changed(before: Any, after: Any, path: str) -> Iterator[tuple[str, str]]:
    """The leaves of a node that another version of it has changed, as they are typed."""
    if isinstance(before, dict):
        for key in before:
            yield from changed(before[key], after[key], f"{path}.{key}")
    elif before != after:
        yield path, json.dumps(after).replace(" ", "")


def typed(*words: str) -> tuple[int, str, str]:
    """Run a command line in this process; its exit status, and what it writes to stdout and stderr."""
    GlobalHydra.instance().clear()
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["vae-lab", *words]
    os.environ["HYDRA_FULL_ERROR"] = "0"
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            return _main([*words]), out.getvalue(), err.getvalue()
    finally:
        sys.argv = argv


def command(name: str, *words: str, check: Callable[[], str] = lambda: "", group: str = "command") -> Result:
    """Run a command line and check what it has written; ``check`` returns what is wrong."""
    return judged(group, name, *typed(*words), check)


def judged(group: str, name: str, status: int, out: str, err: str, check: Callable[[], str]) -> Result:
    """The result of a command that has ended."""
    line = err.strip().partition(": ")[2] or out.strip()[-300:]
    if status == 2:
        return Result(group, name, refused=line, fault=wrong_refusal(line))
    fault = f"exit status {status}: {one_line(line)}" if status else check()
    return Result(group, name, fault=fault)


def commands(words: list[str], slow: bool) -> Iterator[Result]:
    """Every command with the finished run ``run``, and ways to train."""
    yield command(
        "evaluate", "evaluate", "run=run", "metrics=loss_terms", "figures=reconstructions", check=scored("run")
    )
    yield command("sample", "sample", "run=run", "n=4", "out=drawn", check=array("drawn"))
    yield command("temperature", "sample", "run=run", "n=4", "temperature=0.7", "out=cool", check=array("cool"))
    given = ("run=run", "images=drawn/n4-seed0.npy")
    yield command("encode", "encode", *given, "to=codes.csv", check=file("codes.csv"))
    yield command("decode", "decode", "run=run", "codes=codes.csv", "to=decoded.npy", check=file("decoded.npy"))
    yield command("reconstruct", "reconstruct", *given, "to=again.npy", check=file("again.npy"))
    yield command("interpolate", "interpolate", "run=run", "a=0", "b=1", "to=line.npy", check=file("line.npy"))
    of_images = (*words[:5], "metrics=label_distribution", "figures=none", "logger=none", "hydra.run.dir=given")
    yield command("score", "score", "images=drawn/n4-seed0.npy", *of_images)
    yield command("compare", "compare", "run", "out=compared", check=file("compared/compare.html"))
    yield command("figures", "figures", "run=run", "figures=curves", check=file("run/figures/curves.png"))
    yield loaded()
    yield resumed(words)
    yield command("from", "train", "from=run", "epochs=3", "hydra.run.dir=more", check=scored("more"))
    yield stacked(words)
    if slow:
        yield command(
            "compile", "train", *words, *BARE, "compile=true", "epochs=1", "hydra.run.dir=fast", check=scored("fast")
        )
        yield in_two_processes(words)


def loaded() -> Result:
    """``load_run`` in a notebook, with samples, reconstructions and codes."""
    try:
        run = vae_lab.load_run("run")
        batch = next(run.data.batches("test", 3))
        made = (run.sample(3), run.evaluation.reconstruct(batch.x, batch.y))
        good = all(one.shape == batch.x.shape and one.isfinite().all() for one in made)
        return Result("command", "load_run", fault="" if good else f"shapes {[tuple(one.shape) for one in made]}")
    except Exception as why:
        return Result("command", "load_run", fault=one_line(f"{type(why).__name__}: {why}"))


def resumed(words: list[str]) -> Result:
    """A run of two epochs that was stopped after the first ends with the numbers of the whole run."""
    typed("train", *words, *BARE, "epochs=1", "hydra.run.dir=part")
    Path("part/results.json").unlink(missing_ok=True)
    config = Path("part/config.yaml")
    config.write_text(config.read_text().replace("epochs: 1\n", "epochs: 2\n"))

    def check() -> str:
        same = curves("part") == curves("run")
        return "" if same else "the curves of the resumed run differ from those of the whole run"

    return command("resume", "train", "resume=part", check=check)


def curves(run: str) -> list[dict[str, str]]:
    """The rows of ``metrics.csv`` without the times."""
    with Path(run, "metrics.csv").open(encoding="utf-8") as lines:
        return [{key: value for key, value in row.items() if key != "epoch_seconds"} for row in csv.DictReader(lines)]


def stacked(words: list[str]) -> Result:
    """Two jobs train as one stack, or each alone with the same scores."""
    sweep = ("epochs=1", "metrics=loss_terms", "launcher=vectorized", "seed=1,2", "sweep=both")
    status, out, err = typed("train", "-m", *words, *BARE, *sweep)
    environments = Path("outputs/sweeps/both").glob("*/environment.json")
    found = [json.loads(path.read_text()).get("stacked") for path in environments]
    if status == 0 and found == [2, 2]:
        return Result("command", "stack")
    if status == 0 and len(found) == 2:
        return Result("command", "stack", refused="the jobs of the sweep train one after the other")
    return judged("command", "stack", status or 1, out, err, lambda: "")


def in_two_processes(words: list[str]) -> Result:
    """DDP with two processes on the CPU."""
    code = "import sys; sys.argv[0] = 'vae-lab'; from vae_lab.cli import program; program()"
    line = ["train", *words, *BARE, "epochs=1", "accelerator=ddp", "accelerator.devices=2", "hydra.run.dir=ddp"]
    done = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True, check=False, timeout=600)
    return judged("command", "ddp", done.returncode, done.stdout, done.stderr, scored("ddp"))


def scored(run: str) -> Callable[[], str]:
    """A check that a run is finished and that its scores are finite."""

    def check() -> str:
        results = json.loads(Path(run, "results.json").read_text())
        bad = [name for name, value in results["metrics"].items() if not math.isfinite(value)]
        return f"{', '.join(bad)} is not finite" if bad or results["status"] != "finished" else ""

    return check


def array(folder: str) -> Callable[[], str]:
    """A check that a folder has an array of four finite examples."""

    def check() -> str:
        (path,) = Path(folder).glob("*.npy")
        examples = np.load(path)
        return "" if len(examples) == 4 and np.isfinite(examples).all() else f"{path} has no four finite examples"

    return check


def file(path: str) -> Callable[[], str]:
    """A check that a file is there."""
    return lambda: "" if Path(path).is_file() else f"{path} was not written"


def samplers() -> Iterator[Result]:
    """Every sampler, fitted to the codes of the run."""
    for name in groups()["sampler"]:
        node = raw(f"sampler={name}")["sampler"] or {}
        few = [f"{key}={value}" for key, value in changed(node, smaller(node, "", SMALL | FEW), "sampler")]
        words = ("sample", "run=run", f"sampler={name}", *few, "n=4", f"out=by_{name}")
        yield command(name, *words, check=array(f"by_{name}"), group="sampler")
