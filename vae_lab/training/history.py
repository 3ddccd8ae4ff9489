"""The history of a run, ``metrics.csv``: one row per epoch with loss terms, learning rate and training time."""

import csv
import time
from pathlib import Path

import pytorch_lightning as pl
import torch

from vae_lab.system.files import write_atomically
from vae_lab.system.reading import read_history


class History(pl.Callback):
    """Writes ``metrics.csv`` after each epoch. A resumed run continues the same file.

    The complete file is replaced atomically, so that an interruption never leaves an incomplete row. A row has the keys
    ``epoch`` and ``step``, the terms ``train/…`` and ``val/…``, ``lr``, and ``epoch_seconds``, the seconds of training
    in the epoch without validation.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._started = self._seconds = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the rows of the epochs that the checkpoint includes."""
        self.rows = [row for row in read_history(self.path) if row["epoch"] < trainer.current_epoch]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock of the epoch."""
        self._started, self._seconds = _now(pl_module.device), 0.0

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock: the last training batch of the epoch is done."""
        self._seconds = _now(pl_module.device) - self._started

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the row of the epoch, before the checkpoint of the epoch is written."""
        row = {"epoch": float(trainer.current_epoch), "step": float(steps_taken(trainer))}
        terms = {k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith(("train/", "val/"))}
        timing = {"lr": trainer.optimizers[0].param_groups[0]["lr"], "epoch_seconds": self._seconds}
        self.rows.append(row | terms | timing)
        if trainer.is_global_zero:
            write_history(self.path, self.rows)
            for logger in trainer.loggers:
                logger.log_metrics(timing, step=steps_taken(trainer))


def steps_taken(trainer: pl.Trainer) -> int:
    """Optimizer steps so far, per phase; Lightning's ``global_step`` counts the steps of all phases."""
    return trainer.global_step // max(1, len(trainer.optimizers))


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
