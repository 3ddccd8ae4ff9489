"""Calls a function with a copy of the job after each epoch, e.g. to draw what it has learnt so far."""

from collections.abc import Callable
from copy import deepcopy

import pytorch_lightning as pl
import torch

from vae_lab.training.job import Job
from vae_lab.training.lit import LitJob


class AfterEpochs(pl.Callback):
    """Calls ``show(job, epochs completed)`` after every epoch, and with 0 before the first one.

    The job is a copy in evaluation mode, with the weights that a run is scored with: their average, where the run keeps
    one. Training is therefore the same with and without the call. Of several processes, the first one calls.

    Args:
        show: what is called.
    """

    def __init__(self, show: Callable[[Job, int], None]) -> None:
        self.show = show

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the job as it starts, unless it continues."""
        if trainer.current_epoch == 0:
            self._show(trainer, pl_module, 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the job after the epoch, before its checkpoint is written."""
        self._show(trainer, pl_module, trainer.current_epoch + 1)

    def _show(self, trainer: pl.Trainer, module: pl.LightningModule, epochs: int) -> None:
        if not trainer.is_global_zero or not isinstance(module, LitJob):
            return
        with torch.no_grad():
            job = deepcopy(module.job)
        if module.average is not None:
            job.load_state_dict(module.average.state_of(module.job))
        self.show(job.eval(), epochs)
