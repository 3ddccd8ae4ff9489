"""The progress of training: on a terminal one line with epoch, loss terms and time left, elsewhere a line per epoch."""

from typing import cast

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from vae_lab.system.live import is_live
from vae_lab.training.lit import LitJob


def term_text(terms: dict[str, float], prefix: str = "") -> str:
    """The main terms in one line, e.g. ``loss 30.1  recon 18.0  kl 12.1``.

    Args:
        terms: values by name.
        prefix: start of the names to show, e.g. 'val/'; it is not shown.
    """
    named = ((name, terms.get(prefix + name)) for name in ("loss", "recon", "kl"))
    texts = (f"{name} {value:.4g}" for name, value in named if value is not None)
    return "  ".join(texts).replace("-", "\N{MINUS SIGN}")


class ProgressLine(pl.Callback):
    """Shows the progress of training on a console.

    Args:
        console: where it is shown. If it is neither a terminal nor a notebook with ipywidgets, one line is printed per
            epoch.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress: Progress | None = None
        self.task = TaskID(0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the line, with the batches of earlier epochs as completed if the run is resumed."""
        if not trainer.is_global_zero or not is_live(self.console):
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
        """Show the number of the epoch."""
        if self.progress:
            self.progress.update(self.task, description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Advance by one, and show the present loss terms."""
        if self.progress:
            self.progress.update(self.task, advance=1, terms=term_text(cast(LitJob, pl_module).recent))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the loss terms of the epoch if no line shows the progress."""
        if trainer.is_global_zero and not self.progress:
            means = {k: v.item() for k, v in trainer.callback_metrics.items()}
            text = "  ".join(f"{split}: {term_text(means, f'{split}/')}" for split in ("train", "val"))
            epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            self.console.print(f"{epoch}  {text}", soft_wrap=True, highlight=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the line."""
        self.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Remove the line."""
        self.stop()

    def stop(self) -> None:
        """Remove the line, if it is shown."""
        if self.progress:
            self.progress.stop()
            self.progress = None
