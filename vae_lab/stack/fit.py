"""Trains runs of the same structure together, each from its current epoch to its last one."""

import gc
from contextlib import suppress

import torch

from vae_lab.config.devices import device_for
from vae_lab.runs.active_run import ActiveRun
from vae_lab.stack.feeding import StackData
from vae_lab.stack.lit_stack import LitStack, StackEmpty
from vae_lab.stack.member import Member
from vae_lab.stack.writing import BackgroundCheckpointIO
from vae_lab.training.checkpoints import to_continue
from vae_lab.training.trainer import interruptible, make_trainer


def fit(runs: list[ActiveRun]) -> list[Member]:
    """Train the runs; return them as members, whose ``reason`` says why a run failed.

    If the device's memory does not suffice, the stack continues in two halves, from the last checkpoints.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    members = [Member(run) for run in runs]
    if not _fits(members):
        gc.collect()
        torch.cuda.empty_cache()
        rest = [member.run for member in members if not member.has_left]
        halves = fit(rest[: len(rest) // 2]) + fit(rest[len(rest) // 2 :])
        continued = {id(member.run): member for member in halves}
        members = [continued.get(id(member.run), member) for member in members]
    return members


def _fits(members: list[Member]) -> bool:
    """Train; return False if memory did not suffice and more than one job is left to train."""
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
    writing = BackgroundCheckpointIO()
    trainer = make_trainer(first.settings, first.run_dir, [], [], epochs=epochs, writing=writing)
    lit = LitStack(members, list(of_seed), device_for(first.settings.accelerator))
    with interruptible(trainer), suppress(StackEmpty):
        data = StackData(list(of_seed.values()))
        trainer.fit(lit, datamodule=data, ckpt_path=to_continue(first.run_dir), weights_only=True)
