"""Refuses settings of the training that do not suit the objective, before anything is written."""

import math

from torch.optim.lr_scheduler import ReduceLROnPlateau

from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.reads import name_of
from vae_lab.config.settings import TrainConfig
from vae_lab.errors import UserError
from vae_lab.training.job import Job


def refuse_unsuitable_training(settings: TrainConfig, config: Node, job: Job) -> None:
    """Refuse an accumulation, a number of epochs or a criterion with which the objective cannot be trained.

    Raises:
        UserError: names the setting and says what to type instead.
    """
    _refuse_accumulation(settings, config, job)
    _refuse_epochs_of_a_vae_alone(settings, config, job)
    if not job.ranks_epochs:
        _refuse_ranking(settings, config)


def _refuse_accumulation(settings: TrainConfig, config: Node, job: Job) -> None:
    """Refuse to accumulate gradients for an objective that takes several optimizer steps per batch."""
    repeated = next((phase for phase in job.objective.phases if job.repeats(phase) > 1), None)
    if repeated and settings.training.accumulate > 1:
        raise UserError(
            f"training.accumulate={settings.training.accumulate}: phase {repeated} of "
            f"objective={name_of(config, 'objective')} takes {job.repeats(repeated)} optimizer steps per batch, and "
            "accumulation takes less than one; type training.accumulate=1"
        )


def _refuse_epochs_of_a_vae_alone(settings: TrainConfig, config: Node, job: Job) -> None:
    """Refuse a training that ends before the objective begins to differ from that of a VAE."""
    epochs, as_a_vae = settings.epochs, float(getattr(job.objective, "vae_epochs", 0.0))
    if as_a_vae >= epochs:
        raise UserError(
            f"objective.vae_epochs={as_a_vae:g}: all epochs of this run (epochs={epochs}) would train a VAE without "
            f"the terms of objective={name_of(config, 'objective')}; type epochs={math.floor(as_a_vae) + 1} or more, "
            f"or objective.vae_epochs={epochs // 2}"
        )


def _refuse_ranking(settings: TrainConfig, config: Node) -> None:
    """Refuse what waits for the validation loss to fall, for an objective whose loss does not rank epochs.

    Raises:
        UserError: names the setting.
    """
    make_scheduler = make(settings.scheduler.make) if settings.scheduler.make else None
    waiting = {
        f"training.patience={settings.training.patience}": settings.training.patience,
        f"scheduler={name_of(config, 'scheduler')}": getattr(make_scheduler, "func", None) is ReduceLROnPlateau,
    }
    for setting, waits in waiting.items():
        if waits:
            raise UserError(
                f"{setting} waits for val/loss to fall, and that of objective={name_of(config, 'objective')} does not "
                f"say which epoch is best; type {setting.partition('=')[0]}={'null' if '.' in setting else 'none'}"
            )
