"""Reads and writes run folders, for training, resuming, evaluating, sampling and notebooks."""

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml
from torch import Tensor

from vae_lab.config.node import Node
from vae_lab.config.renamed import current
from vae_lab.config.schema import TrainConfig, check
from vae_lab.config.trust import Untrusted, refuse_untrusted, trusting
from vae_lab.data.cache import data_root
from vae_lab.data.dataset import Dataset
from vae_lab.errors import NoSuchModule, UserError
from vae_lab.evaluation.conditions import Word, as_in_training, in_turn, typed_y, unconditional, y_text
from vae_lab.evaluation.fitting import at_hand
from vae_lab.evaluation.trained import Evaluation, decoded_draws
from vae_lab.examples import values_from
from vae_lab.report.titles import title_of
from vae_lab.runs.build import load_weights, make_data, make_job
from vae_lab.scores import Conditions, Scores
from vae_lab.system.files import read_history, write_atomically, write_json
from vae_lab.training.job import Job
from vae_lab.types import Model, RunPath, Sampler
from vae_lab.version import __version__

_PACKAGES = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "numpy",
    "scikit-learn",
    "wandb",
)


@dataclass
class Run:
    """A finished or interrupted run, as ``vae_lab.load_run`` returns it.

    >>> run = vae_lab.load_run("outputs/2026-01-31/12-00-00-beta=4")
    >>> run.scores["test/fid"], run.config["beta"], run.history[-1]["val/loss"]
    >>> x = run.sample(16)                                    # [16, C, H, W] in [0, 1]
    >>> sevens = run.sample(16, y=7)                          # of a conditional run
    >>> x = run.sample(16, sampler="gmm")                     # codes from a mixture fitted to the training codes
    >>> latents = run.model.infer(x, None, 1, run.evaluation.noise("mine"))

    Weights and data are read from disk when they are first used.
    """

    path: Path
    config: Node  # the resolved config
    status: str  # 'finished', or 'interrupted' if there is no results.json
    scores: dict[str, float]  # 'test/elbo' etc.; empty if the run is interrupted
    protocol: Node  # how each score was computed
    arrays: dict[str, list[Any]]  # results that are more than one number
    intervals: dict[str, tuple[float, float]]  # 95 % intervals, for the scores that have one
    meanings: dict[str, str]  # unit and direction of each score
    notes: list[str]  # sentences for the user, e.g. about a collapse, or why a score was left out
    environment: Node  # versions, device, seed, wall time, parameters
    history: list[dict[str, float]]  # one row per epoch, as in metrics.csv
    data_dir: str | None = field(default=None, repr=False)
    trust: Sequence[str] = field(default=(), repr=False)  # packages outside vae_lab that the config may name

    @cached_property
    def data(self) -> Dataset:
        """The dataset of the run; its ``batches()`` are examples as the model receives them."""
        chosen = self.data_dir or self.config["data_dir"] or os.environ.get("VAE_LAB_DATA")
        with trusting(self.trust):
            return make_data({**self.config, "data_dir": chosen or self.environment["data_dir"]})

    @cached_property
    def job(self) -> Job:
        """The model and the objective, with the weights of the epoch of lowest val/loss."""
        values = values_from(self.environment.get("values"))
        with trusting(self.trust):
            job = make_job(self.config, tuple(self.environment["x_shape"]), self.environment.get("y_size", 0), values)
        load_weights(job, self.path / "checkpoints" / "best.ckpt")
        return job.eval()

    @property
    def model(self) -> Model:
        """The trained model in evaluation mode (see :class:`vae_lab.types.Model`)."""
        return self.job.model

    @cached_property
    def evaluation(self) -> Evaluation:
        """The argument of metrics and figures, as in ``FID()(run.evaluation)``."""
        device = torch.device("cpu")
        title = title_of(self.config, self.data.values.many)
        return Evaluation(self.job, self.data, self.config["seed"], device, title, self.history)

    def sample(
        self,
        n: int,
        seed: int = 0,
        y: Word | Sequence[Word] | None = None,
        sampler: str | Sampler = "prior",
    ) -> Tensor:
        """Draw n codes from the prior or from another sampler, and return the decoded means.

        Args:
            n: the number of examples.
            seed: the seed of the draws.
            y: for a conditional run: a label (its name or number), several labels that alternate, or the values of all
                attributes; None: drawn as in training. The codes do not depend on y.
            sampler: the name of an option of the group ``sampler``, which is fitted and saved if it has not been yet;
                or a fitted sampler.

        Returns:
            [n, *x_shape] on the CPU: images [n, C, H, W] in [0, 1].

        Raises:
            UserError: the run is not conditional, there is no such label, or there is no such sampler.
        """
        device, conditions = next(self.job.parameters()).device, self.conditions(y)
        fitted = None if sampler == "prior" else sampler
        if isinstance(fitted, str):
            with trusting(self.trust):
                fitted, _ = at_hand(self.evaluation, fitted, self.path)
        examples = decoded_draws(self.model, n, device, seed, "sample command", conditions=conditions, sampler=fitted)
        return torch.cat(list(examples)).cpu()

    def conditions(self, y: Word | Sequence[Word] | None = None) -> Conditions:
        """The labels or attributes of generated examples: those given, or otherwise drawn as in training.

        The result gives None for a run that is not conditional.

        Raises:
            UserError: y is given although the run is not conditional, or there is no such label.
        """
        if self.model.conditional:
            if y is None:
                return as_in_training(self.data.train)
            return in_turn(typed_y(y, self.environment["classes"], self.environment["attributes"]))
        if y is not None:
            raise UserError(f"y={y_text(y)}: this run is not conditional; leave y out, or train with conditional=true")
        return unconditional


def load_run(path: RunPath, key: str = "run", trust: Sequence[str] = ()) -> Run:
    """Read a run folder.

    Args:
        path: the folder.
        key: the option that the user typed the folder for, named in messages.
        trust: packages outside vae_lab whose classes the run's config may name, as in ``trust=["mylab"]``. They can do
            anything, and so can whoever has written the config with them.

    Raises:
        UserError: it is not a run folder, a file in it is damaged, or it names a class that is not trusted or cannot be
            imported.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"{key}={path}: no such folder; type {key}=outputs/<date>/<run>")
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{key}={path}: not a run folder (no config.yaml in it); type {key}=outputs/<date>/<run>")
    config = current(_read(folder / "config.yaml", yaml.safe_load))
    if "images" in config:
        raise UserError(f"{key}={path}: this is not a trained run but scores of given images; they are in results.json")
    try:
        with trusting(trust):
            refuse_untrusted(config)
            check(TrainConfig, config)
    except (NoSuchModule, Untrusted) as why:
        raise type(why)(f"{folder / 'config.yaml'}: {why}") from why
    except UserError as why:
        raise UserError(f"{folder / 'config.yaml'} is damaged ({why})") from why
    environment = _read(folder / "environment.json", json.loads)
    finished = (folder / "results.json").is_file()
    results = _read(folder / "results.json", json.loads) if finished else {}
    return Run(
        path=folder,
        config=config,
        status=results.get("status", "interrupted"),
        scores=results.get("metrics", {}),
        protocol=results.get("protocol", {}),
        arrays=results.get("arrays", {}),
        intervals=results.get("intervals", {}),
        meanings=results.get("meanings", {}),
        notes=results.get("notes", []),
        environment=environment,
        history=_read_history(folder / "metrics.csv"),
        trust=trust,
    )


def load_finished(path: RunPath) -> Run:
    """Read the folder of a run that has been trained and scored.

    Raises:
        UserError: as in :func:`load_run`, and if the run is not finished.
    """
    run = load_run(path)
    if run.status != "finished":
        raise UserError(f"run={path} is not finished; type vae-lab train resume={path}")
    return run


def _read(path: Path, parse: Callable[[str], object]) -> Node:
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as why:
        raise UserError(f"{path} is missing: the run folder is incomplete") from why
    except (ValueError, KeyError, yaml.YAMLError) as why:
        _refuse_damaged(path, why)
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged (not a mapping)")
    return content


def _read_history(path: Path) -> list[dict[str, float]]:
    try:
        return read_history(path)
    except ValueError as why:
        _refuse_damaged(path, why)


def _refuse_damaged(path: Path, why: Exception) -> NoReturn:
    raise UserError(f"{path} is damaged ({' '.join(str(why).split())[:120]})") from why


def claim(run_dir: Path) -> None:
    """Create the folder of a new run, or check that the existing folder is free and can be written to.

    Raises:
        UserError: the folder already holds a run, or cannot be written to.
    """
    if (run_dir / "results.json").exists():
        raise UserError(f"{run_dir} holds a finished run, which is never overwritten; choose another hydra.run.dir")
    if (run_dir / "config.yaml").exists():
        raise UserError(f"{run_dir} holds an interrupted run; type vae-lab train resume={run_dir}")
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        with write_atomically(run_dir / ".writable"):
            pass
        (run_dir / ".writable").unlink()
    except OSError as why:
        raise UserError(
            f"{run_dir} cannot be written ({why.strerror}); type hydra.run.dir=<a writable folder>"
        ) from why


def withdraw(run_dir: Path) -> None:
    """Remove the files of a run that failed before training; a run with checkpoints is left unchanged."""
    if (run_dir / "checkpoints").exists():
        return
    for name in ("config.yaml", "environment.json"):
        (run_dir / name).unlink(missing_ok=True)
    shutil.rmtree(run_dir / "wandb", ignore_errors=True)


def write_config(run_dir: Path, config: Node) -> None:
    """Write ``config.yaml``, from which the run can be repeated."""
    with write_atomically(run_dir / "config.yaml") as file:
        yaml.safe_dump(config, file, sort_keys=False, allow_unicode=True)


def describe_environment(config: Node, device: torch.device, command: str | None = None) -> Node:
    """The entries of ``environment.json`` about versions, the machine and the command.

    Args:
        config: the resolved config.
        device: the device that is used.
        command: the command line to record; None: that of this process, as ``vae-lab train``.
    """
    return {
        "vae_lab": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "git_commit": _git_commit(),
        "command": command or shlex.join(["vae-lab", "train", *sys.argv[1:]]),  # argv lacks "train"
        "data_dir": str(data_root(config["data_dir"])),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "seed": config["seed"],
    }


def write_environment(run_dir: Path, environment: Node) -> None:
    """Write ``environment.json``."""
    write_json(run_dir / "environment.json", environment)


def write_results(run_dir: Path, scores: Scores) -> None:
    """Write ``results.json``. It is the last file of a run, and its presence marks the run as finished."""
    write_json(
        run_dir / "results.json",
        {
            "status": "finished",
            "metrics": scores.values,
            "intervals": scores.intervals,
            "meanings": scores.meanings,
            "protocol": scores.protocol,
            "arrays": scores.arrays,
            "notes": scores.notes,
        },
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of vae-lab itself; None if it does not run from a git checkout."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return None
    done = subprocess.run(["git", "-C", here, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def processor() -> str:
    """The name of the processor and its number of cores, which tell machines apart."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    name = names[0].partition(":")[2].strip() if names else platform.processor()
    return f"{name}, {os.cpu_count()} cores"
