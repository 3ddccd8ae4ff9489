"""vae-lab: an experiment runner for variational autoencoders.

In a notebook, ``run = vae_lab.load_run("outputs/2026-01-31/12-00-00-beta=4")`` returns the config, the trained
model, the data and the scores of a run (see :class:`vae_lab.runs.run.Run`), and ``vae_lab.train("model=cnn", beta=4)``
trains one and returns it. What the user has done wrong raises a :class:`UserError`.
"""

from typing import TYPE_CHECKING

from vae_lab.errors import UserError
from vae_lab.version import __version__

__all__ = ["Run", "UserError", "__version__", "load_run", "train"]

if TYPE_CHECKING:
    from vae_lab.commands.from_python import train
    from vae_lab.runs.run import Run
    from vae_lab.runs.run_folder import load_run


def __getattr__(name: str) -> object:
    # These names are imported on first use, because importing them imports torch, which would delay `vae-lab --help`.
    if name in ("load_run", "Run"):
        from vae_lab.runs import run_folder

        return getattr(run_folder, name)
    if name == "train":
        from vae_lab.commands.from_python import train

        return train
    raise AttributeError(f"module 'vae_lab' has no attribute {name!r}")
