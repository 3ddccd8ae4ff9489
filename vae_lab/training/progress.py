"""One line for the whole of training: epoch, loss terms, time left. Off a terminal, one line per epoch."""

from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def term_text(terms: dict[str, float], prefix: str = "") -> str:
    """``loss 30.1  recon 18.0  kl 12.1``, of the terms with that prefix."""
    named = ((name, terms.get(prefix + name)) for name in ("loss", "recon", "kl"))
    return "  ".join(f"{name} {value:.4g}" for name, value in named if value is not None)


class ProgressLine(pl.Callback):
    """Shows training on a console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress: Progress | None = None
        self.task: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the line where the run starts, or where a resumed one goes on."""
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        per_epoch, epochs = int(trainer.num_training_batches), int(trainer.max_epochs or 0)
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(None), TaskProgressColumn(), TextColumn("{task.fields[terms]}"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
            console=self.console, expand=True, refresh_per_second=4,
        )  # fmt: skip
        done = trainer.current_epoch * per_epoch
        self.task = self.progress.add_task("", total=epochs * per_epoch, completed=done, terms="")
        self.progress.start()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Name the epoch."""
        if self.progress:
            self.progress.update(self.task, description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move on by a batch."""
        if self.progress:
            self.progress.update(self.task, advance=1, terms=term_text(pl_module.recent))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Off a terminal, say how the epoch went."""
        if trainer.is_global_zero and not self.progress:
            found = {k: v.item() for k, v in trainer.callback_metrics.items()}
            text = "  ".join(f"{split}: {term_text(found, f'{split}/')}" for split in ("train", "val"))
            epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            self.console.print(f"{epoch}  {text}", soft_wrap=True, highlight=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the line away."""
        self.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Take the line away."""
        self.stop()

    def stop(self) -> None:
        """Take the line away, if it is there."""
        if self.progress:
            self.progress.stop()
            self.progress = None
