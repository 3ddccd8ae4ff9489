"""Trains runs of one structure together, from where they are to where each ends."""

from contextlib import suppress

from vae_lab.devices import device_for
from vae_lab.run import UnderWay, interruptible, last_checkpoint, make_trainer
from vae_lab.stack.feeding import StackData
from vae_lab.stack.lit_stack import Emptied, LitStack
from vae_lab.stack.member import Member


def fit(runs: list[UnderWay]) -> list[Member]:
    """The runs with what became of them; ``reason`` is told of those that failed.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    members = [Member(run) for run in runs]
    first, epochs = runs[0], max(run.settings.epochs for run in runs)
    of_seed = {run.settings.seed: run.data for run in reversed(runs)}
    trainer = make_trainer(first.settings, first.run_dir, [], [], epochs=epochs)
    lit = LitStack(members, list(of_seed), device_for(first.settings.accelerator))
    with interruptible(trainer), suppress(Emptied):
        data = StackData(list(of_seed.values()))
        trainer.fit(lit, datamodule=data, ckpt_path=last_checkpoint(first.run_dir), weights_only=True)
    return members
