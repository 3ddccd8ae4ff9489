"""One job of a stack: its run, its learning rates, and Lightning's callbacks, called for this job only."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from vae_lab.config.make import make
from vae_lab.runs import state
from vae_lab.runs.active_run import ActiveRun
from vae_lab.stack.optimizer import LearningRate, State
from vae_lab.training.history import History
from vae_lab.training.trainer import callbacks_of

SaveCheckpoint = Callable[["Member", str, bool | None], None]  # a job, a path, whether to save the weights only


class Member:
    """A job of a stack, with everything that is not shared except its weights.

    Args:
        run: an active run, new or resumed.
    """

    def __init__(self, run: ActiveRun) -> None:
        self.run, self.settings = run, run.settings
        make_optimizer, make_scheduler = make(run.config["optimizer"]), run.settings.scheduler.make
        own, scheduler = run.job.own_optimizers, make(make_scheduler) if make_scheduler else None
        phases = run.job.objective.phases
        self.rates = {phase: LearningRate(own.get(phase, make_optimizer), scheduler) for phase in phases}
        self.callbacks = callbacks_of(run.settings, run.run_dir, run.job)
        # A TrainerOfOne, once there is a trainer. Callbacks take it for a pl.Trainer, which no type can express.
        self.view: Any = None
        self.has_left = False  # whether it has left the stack, because it is finished or has failed
        self.reason = ""  # why it failed

    def attach(self, trainer: pl.Trainer, save: SaveCheckpoint) -> None:
        """Create this job's view of the stack's trainer.

        Args:
            trainer: the trainer of the stack.
            save: writes the checkpoint of one job.
        """
        self.view = TrainerOfOne(trainer, self, save)

    def callback(self, hook: str, module: pl.LightningModule, *more: object) -> None:
        """Call a hook of all callbacks."""
        for callback in self.callbacks:
            getattr(callback, hook)(self.view, module, *more)

    def close_epoch(self, module: pl.LightningModule) -> None:
        """End an epoch in Lightning's order: the history, the schedules, early stopping, the checkpoints."""
        histories = [callback for callback in self.callbacks if isinstance(callback, History)]
        for history in histories:
            history.on_train_epoch_end(self.view, module)
        if self.settings.scheduler.interval == "epoch":
            self.move_schedules()
        for callback in self.callbacks:
            if callback not in histories:
                callback.on_train_epoch_end(self.view, module)

    def move_schedules(self) -> None:
        """Move the learning-rate schedule of each phase by one step."""
        for rate in self.rates.values():
            rate.step()

    def publish(self, means: dict[str, float]) -> None:
        """Publish an epoch's means to this job's callbacks, as Lightning does for a single run."""
        device = self.view.strategy.root_device
        self.view.callback_metrics = {name: torch.tensor(value, device=device) for name, value in means.items()}

    def log_point(self, means: dict[str, float], steps: int) -> None:
        """Log a point of the ``step/…`` curves after a number of optimizer steps."""
        for logger in self.run.loggers:
            logger.log_metrics({f"step/{name}": v for name, v in means.items()}, step=steps)

    def fail(self) -> None:
        """Write the reason of the failure to the run folder, and close the run and its loggers."""
        state.write_failure(self.run.run_dir, self.reason)
        self.run.close(None)

    @property
    def is_through(self) -> bool:
        """Whether the current epoch is the job's last one."""
        return bool(self.view.should_stop) or self.view.current_epoch + 1 >= self.settings.epochs

    def dump_to(self, checkpoint: State, place: int) -> None:
        """Replace the stack's states in a checkpoint by copies of this job's; its weights are already in it.

        Args:
            checkpoint: a checkpoint that Lightning made of the stack.
            place: place of the job in the stack.
        """
        states = [(callback.state_key, deepcopy(callback.state_dict())) for callback in self.callbacks]
        checkpoint["callbacks"] = {key: state for key, state in states if state}
        stacked = zip(self.rates.values(), checkpoint["optimizer_states"])
        checkpoint["optimizer_states"] = [rate.state_of(state, place) for rate, state in stacked]
        checkpoint["lr_schedulers"] = [rate.scheduler.state_dict() for rate in self.rates.values() if rate.scheduler]

    def load(self, checkpoint: State) -> None:
        """Load the learning rates and the callbacks' states from a checkpoint of this job."""
        schedulers = checkpoint["lr_schedulers"] or [None] * len(self.rates)
        for rate, optimizer, scheduler in zip(self.rates.values(), checkpoint["optimizer_states"], schedulers):
            rate.load(optimizer, scheduler)
        for callback in self.callbacks:
            if callback.state_key in checkpoint["callbacks"]:
                callback.load_state_dict(checkpoint["callbacks"][callback.state_key])


class TrainerOfOne:
    """The trainer of a stack as the callbacks of one of its jobs see it; all other attributes are the trainer's."""

    def __init__(self, trainer: pl.Trainer, member: Member, save: SaveCheckpoint) -> None:
        self._trainer, self._member, self._save = trainer, member, save
        self.callback_metrics: dict[str, torch.Tensor] = {}
        self.should_stop = False
        self.loggers = member.run.loggers
        self.callbacks: list[Callback] = member.callbacks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """The optimizers that hold this job's learning rates."""
        return [rate.optimizer for rate in self._member.rates.values()]

    def save_checkpoint(self, path: str, weights_only: bool | None = None) -> None:
        """Save a checkpoint of this job only."""
        self._save(self._member, path, weights_only)
