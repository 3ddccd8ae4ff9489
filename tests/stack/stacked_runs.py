"""Helpers that train runs on a few digits, alone and as a stack, and record everything that is logged."""

from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from rich.console import Console

from vae_lab.commands.train import train
from vae_lab.config.composing import composer
from vae_lab.config.settings import SweepConfig
from vae_lab.stack.together import together
from vae_lab.sweep.jobs import Outcome, SweepJob
from vae_lab.sweep.work import carry_out

LOGGED: dict[Path, list[tuple[int, dict[str, float]]]] = {}  # run folder -> (step, metrics)
FEW = ["dataset=digits", "dataset.limit=240", "batch_size=8", "epochs=1", "latent_dim=3", "training.log_every=1",
       "logger=none", "metrics=none", "figures=none", "accelerator=cpu", "compile=auto"]  # fmt: skip
NETS = {
    "dense": ["model=dense", "model.net.width=16", "model.net.depth=1"],
    "cnn": ["model=cnn", "model.net.width=4", "model.net.hidden=16"],
}


class Noted(Logger):
    """A logger for the ``logger`` node that records all metrics in ``LOGGED``."""

    name, version = "noted", 0

    def __init__(self, context: Any) -> None:
        super().__init__()
        self.rows = LOGGED[context.run_dir] = []

    def log_hyperparams(self, params: Any) -> None:
        """Nothing."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.append((step, dict(metrics)))


def jobs_of(folder: Path, words: list[str], each: list[str]) -> list[SweepJob]:
    """Return a job for every line of words in ``each``, with the common words added."""
    with composer([*FEW, *words]) as compose:
        configs = [compose(own.split()) for own in each]
    for config in configs:
        config["logger"] = {"_target_": f"{__name__}.Noted"}
    kept = [{key: value for key, value in config.items() if key not in SweepConfig.model_fields} for config in configs]
    return [SweepJob(str(i), folder / str(i), [], config, "sweep", "vae-lab …") for i, config in enumerate(kept)]


def train_alone(jobs: list[SweepJob]) -> None:
    for job in jobs:
        train(job.config, job.folder, Console(quiet=True), job.sweep, job.command)


def train_together(jobs: list[SweepJob], most: int | None = None) -> tuple[dict[str, Outcome], list[str]]:
    """Return outcomes by name, and the names of the jobs that were carried out alone."""
    alone: list[str] = []

    def work(job: SweepJob) -> Outcome:
        alone.append(job.name)
        return carry_out(job)

    return {job.name: outcome for job, outcome in together(work, jobs, most)}, alone


def losses(job: SweepJob) -> list[float]:
    """Return the loss of each step."""
    return [metrics["step/loss"] for _, metrics in LOGGED[job.folder] if "step/loss" in metrics]


class Stopping(Noted):
    """A logger that raises KeyboardInterrupt once, when the step ``at`` is logged."""

    at: int | None = None

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        super().log_metrics(metrics, step)
        if step == Stopping.at and "step/loss" in metrics:
            Stopping.at = None
            raise KeyboardInterrupt
