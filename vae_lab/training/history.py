"""The history of a run, ``metrics.csv``: one row per epoch with loss terms, learning rate and training time."""

import csv
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger

from vae_lab.system.files import write_atomically
from vae_lab.system.reading import read_history


class History(pl.Callback):
    """Writes ``metrics.csv`` after each epoch, and passes its row to the loggers. A resumed run continues the file.

    The complete file is replaced atomically, so that an interruption never leaves an incomplete row. A row has the keys
    ``epoch``, the number of completed epochs, ``step``, the number of optimizer steps so far, the terms ``train/…`` and
    ``val/…``, ``lr``, and ``epoch_seconds``, the seconds of training in the epoch without validation. In the loggers,
    ``step`` is the axis. They receive an epoch's values nowhere else, so that no value has another axis.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._started = self._seconds = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the rows of the epochs that the checkpoint includes."""
        self.rows = [row for row in read_history(self.path) if row["epoch"] <= trainer.current_epoch]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock of the epoch."""
        self._started, self._seconds = _now(pl_module.device), 0.0

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock: the last training batch of the epoch is done."""
        self._seconds = _now(pl_module.device) - self._started

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the row of the epoch, before the checkpoint of the epoch is written."""
        step = cast(CountsSteps, pl_module).steps
        terms = {k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith(("train/", "val/"))}
        timing = {"lr": float(trainer.optimizers[0].param_groups[0]["lr"]), "epoch_seconds": self._seconds}
        self.rows.append({"epoch": float(trainer.current_epoch + 1), "step": float(step)} | terms | timing)
        if trainer.is_global_zero:
            write_history(self.path, self.rows)
            log_history(trainer.loggers, self.rows[-1:])


class CountsSteps(Protocol):
    """A LightningModule that counts the optimizer steps of a phase.

    Lightning's own counts are of other things: ``global_step`` adds up the steps of all optimizers, and the step under
    which ``self.log`` files an epoch's values counts groups of batches.
    """

    steps: int


def log_history(loggers: Iterable[Logger], rows: Iterable[dict[str, float]]) -> None:
    """Pass rows of a history to loggers, each at its step; a dashboard shows them at once."""
    for logger in loggers:
        for row in rows:
            logger.log_metrics({key: value for key, value in row.items() if key != "step"}, step=int(row["step"]))
        logger.save()


def write_history(path: Path, rows: list[dict[str, float]]) -> None:
    """Write one line per row; ``epoch`` and ``step`` are written as integers, other values with six digits."""
    with write_atomically(path) as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[-1]), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(
            {key: int(v) if key in ("epoch", "step") else f"{v:.6g}" for key, v in row.items()} for row in rows
        )


def _now(device: torch.device) -> float:
    """The time in seconds, after all work on the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
