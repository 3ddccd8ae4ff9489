"""``metrics.csv``: one row per epoch with train and validation terms, learning rate and pure training time."""

import csv
import time
from pathlib import Path

import pytorch_lightning as pl
import torch

from vae_lab.system.files import read_history, write_atomically


class History(pl.Callback):
    """Rewrites the file after each epoch, whole, so that no row is ever cut; a resumed run goes on in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._started = self._seconds = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the rows of the epochs that the checkpoint holds."""
        self.rows = [row for row in read_history(self.path) if row["epoch"] < trainer.current_epoch]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The clock of training starts."""
        self._started, self._seconds = _now(pl_module.device), 0.0

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The clock of training stops: the last batch of the epoch is through."""
        self._seconds = _now(pl_module.device) - self._started

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the row of the epoch, before its checkpoint is written."""
        row = {"epoch": float(trainer.current_epoch), "step": float(steps_taken(trainer))}
        terms = {k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith(("train/", "val/"))}
        timing = {"lr": trainer.optimizers[0].param_groups[0]["lr"], "epoch_seconds": self._seconds}
        self.rows.append(row | terms | timing)
        if trainer.is_global_zero:
            write_history(self.path, self.rows)
            for logger in trainer.loggers:
                logger.log_metrics(timing, step=steps_taken(trainer))


def steps_taken(trainer: pl.Trainer) -> int:
    """Optimizer steps so far; Lightning counts those of every phase."""
    return trainer.global_step // max(1, len(trainer.optimizers))


def write_history(path: Path, rows: list[dict[str, float]]) -> None:
    """One line per row; whole numbers stay whole."""
    with write_atomically(path) as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[-1]), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(
            {key: int(v) if key in ("epoch", "step") else f"{v:.6g}" for key, v in row.items()} for row in rows
        )


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
