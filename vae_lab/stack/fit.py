"""Trains runs of one structure together, from where they are to where each ends."""

import gc
from contextlib import suppress

import torch

from vae_lab.config.devices import device_for
from vae_lab.runs.active_run import ActiveRun
from vae_lab.runs.preparing import last_checkpoint
from vae_lab.stack.feeding import StackData
from vae_lab.stack.lit_stack import Emptied, LitStack
from vae_lab.stack.member import Member
from vae_lab.stack.writing import BesideTraining
from vae_lab.training.trainer import interruptible, make_trainer


def fit(runs: list[ActiveRun]) -> list[Member]:
    """The runs with what became of them; ``reason`` is told of those that failed.

    A stack that is too large for the device's memory goes on in two halves, from its last checkpoints.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    members = [Member(run) for run in runs]
    if not _fits(members):
        gc.collect()
        torch.cuda.empty_cache()
        rest = [member.run for member in members if not member.has_left]
        again = fit(rest[: len(rest) // 2]) + fit(rest[len(rest) // 2 :])
        found = {id(member.run): member for member in again}
        members = [found.get(id(member.run), member) for member in members]
    return members


def _fits(members: list[Member]) -> bool:
    """Train; False where memory did not suffice and there is more than one job to train."""
    try:
        _train(members)
        return True
    except torch.OutOfMemoryError:
        if sum(not member.has_left for member in members) < 2:
            raise
        return False


def _train(members: list[Member]) -> None:
    first, epochs = members[0].run, max(member.settings.epochs for member in members)
    of_seed = {member.settings.seed: member.run.data for member in reversed(members)}
    trainer = make_trainer(first.settings, first.run_dir, [], [], epochs=epochs, plugins=[BesideTraining()])
    lit = LitStack(members, list(of_seed), device_for(first.settings.accelerator))
    with interruptible(trainer), suppress(Emptied):
        data = StackData(list(of_seed.values()))
        trainer.fit(lit, datamodule=data, ckpt_path=last_checkpoint(first.run_dir), weights_only=True)
