"""One job of a stack: its run, its learning rates, and Lightning's own callbacks driven for it alone."""

from copy import deepcopy
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from vae_lab.config.make import make
from vae_lab.runs import state
from vae_lab.runs.active_run import ActiveRun
from vae_lab.stack.optimizer import Clock
from vae_lab.training.history import History, steps_taken
from vae_lab.training.trainer import callbacks_of


class Member:
    """What a job of a stack has of its own beside its weights.

    Args:
        run: begun or gone on with.
    """

    def __init__(self, run: ActiveRun) -> None:
        self.run, self.settings = run, run.settings
        make_optimizer, make_scheduler = make(run.config["optimizer"]), run.settings.scheduler.make
        own, scheduler = run.job.own_optimizers, make(make_scheduler) if make_scheduler else None
        self.clocks = {phase: Clock(own.get(phase, make_optimizer), scheduler) for phase in run.job.objective.phases}
        self.callbacks = callbacks_of(run.settings, run.run_dir)
        self.view: Any = None  # of the trainer, once there is one
        self.has_left = False  # through, or failed
        self.steps = 0  # optimizer steps that it took, when it left
        self.reason = ""  # why it failed

    def attach(self, trainer: pl.Trainer) -> None:
        """See this trainer as if it trained this job alone."""
        self.view = TrainerOfOne(trainer, self)

    def callback(self, hook: str, module: pl.LightningModule, *more: Any) -> None:
        """Call a hook of all callbacks."""
        for one in self.callbacks:
            getattr(one, hook)(self.view, module, *more)

    def close_epoch(self, module: pl.LightningModule) -> None:
        """In Lightning's order: the history, the schedules, what may end the run, the checkpoints."""
        histories = [one for one in self.callbacks if isinstance(one, History)]
        for one in histories:
            one.on_train_epoch_end(self.view, module)
        if self.settings.scheduler.interval == "epoch":
            self.move_schedules()
        for other in self.callbacks:
            if other not in histories:
                other.on_train_epoch_end(self.view, module)

    def move_schedules(self) -> None:
        """One step of each phase's."""
        for clock in self.clocks.values():
            clock.step()

    def log_epoch(self, means: dict[str, float]) -> None:
        """What Lightning does with an epoch's means, for this job's callbacks and loggers."""
        device = self.view.strategy.root_device
        self.view.callback_metrics = {name: torch.tensor(value, device=device) for name, value in means.items()}
        step = self.view.fit_loop.epoch_loop._batches_that_stepped  # Lightning's abscissa of an epoch's metrics
        shown = {name: value.item() for name, value in self.view.callback_metrics.items()}
        for logger in self.run.loggers:
            logger.log_metrics({**shown, "epoch": self.view.current_epoch}, step=step)
            logger.save()

    def log_point(self, means: dict[str, float]) -> None:
        """A point of the ``step/…`` curves."""
        for logger in self.run.loggers:
            logger.log_metrics({f"step/{name}": v for name, v in means.items()}, step=steps_taken(self.view))

    def fail(self) -> None:
        """Leave word of the reason, and end the loggers' runs."""
        state.write_failure(self.run.run_dir, self.reason)
        self.run.close(None)

    @property
    def is_through(self) -> bool:
        """Whether the epoch that ends is its last."""
        return bool(self.view.should_stop) or self.view.current_epoch + 1 >= self.settings.epochs

    def dump_to(self, checkpoint: dict[str, Any], place: int) -> None:
        """Replace what is the stack's in a checkpoint by what is this job's, copied; its weights are there already."""
        states = [(one.state_key, deepcopy(one.state_dict())) for one in self.callbacks]
        checkpoint["callbacks"] = {key: state for key, state in states if state}
        stacked = zip(self.clocks.values(), checkpoint["optimizer_states"])
        checkpoint["optimizer_states"] = [clock.state_of(state, place) for clock, state in stacked]
        checkpoint["lr_schedulers"] = [
            clock.scheduler.state_dict() for clock in self.clocks.values() if clock.scheduler
        ]

    def load(self, checkpoint: dict[str, Any]) -> None:
        """Learning rates and the callbacks' memory, from a checkpoint of this job."""
        schedulers = checkpoint["lr_schedulers"] or [None] * len(self.clocks)
        for clock, optimizer, scheduler in zip(self.clocks.values(), checkpoint["optimizer_states"], schedulers):
            clock.load(optimizer, scheduler)
        for one in self.callbacks:
            if one.state_key in checkpoint["callbacks"]:
                one.load_state_dict(checkpoint["callbacks"][one.state_key])


class TrainerOfOne:
    """The trainer of a stack, as the callbacks of one of its jobs are to see it."""

    def __init__(self, trainer: pl.Trainer, member: Member) -> None:
        self._trainer = trainer
        self._member = member
        self.callback_metrics: dict[str, torch.Tensor] = {}
        self.should_stop = False
        self.loggers = member.run.loggers
        self.callbacks: list[Callback] = member.callbacks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Those of this job's learning rates."""
        return [clock.optimizer for clock in self._member.clocks.values()]

    def save_checkpoint(self, path: str, weights_only: bool | None = None) -> None:
        """This job's alone."""
        module: Any = self._trainer.lightning_module
        module.save_of(self._member, path, weights_only)
