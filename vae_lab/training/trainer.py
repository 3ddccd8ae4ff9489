"""Lightning's trainer and its callbacks, with the settings of a run."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins import CheckpointIO

from vae_lab.config.devices import device_for
from vae_lab.config.settings import TrainConfig
from vae_lab.system.memory import keep_freed_memory
from vae_lab.training.checkpoints import AtomicCheckpointIO, Checkpoint, checkpoints
from vae_lab.training.history import History
from vae_lab.training.job import Job
from vae_lab.training.precision import lightning_name, precision_of
from vae_lab.training.progress import ProgressLine


def make_trainer(
    settings: TrainConfig,
    folder: Path,
    callbacks: list[Callback],
    loggers: list[Logger],
    strategy: str = "auto",
    epochs: int | None = None,
    writing: CheckpointIO | None = None,
) -> pl.Trainer:
    """Make Lightning's trainer for one run, or for several runs that are trained as one stack.

    Args:
        settings: the settings of the run.
        folder: the run folder.
        callbacks: Lightning's callbacks.
        loggers: Lightning's loggers.
        strategy: Lightning's name of the strategy for several processes.
        epochs: number of epochs; None: that of the settings.
        writing: writes the checkpoints; None: they are written at once.
    """
    device = device_for(settings.accelerator)
    precision = precision_of(lightning_name(settings.precision, settings.accelerator.precision), device.type)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, CUDA results differ between runs
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # one kernel per tensor
    else:
        # Lightning sets this to 1, which makes every optimizer step query NVML for a GPU.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
        keep_freed_memory()
    return pl.Trainer(
        accelerator=settings.accelerator.kind,
        devices=settings.accelerator.devices,
        strategy=strategy,
        **{**precision, "plugins": [*precision.get("plugins", []), writing or AtomicCheckpointIO()]},
        max_epochs=epochs or settings.epochs,
        logger=loggers,
        callbacks=callbacks,
        log_every_n_steps=settings.training.log_every,
        deterministic="warn" if device.type == "cuda" else None,
        default_root_dir=folder,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # EpochOrder distributes the batches among processes
        enable_progress_bar=False,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_model_summary=False,
    )


def callbacks_of(settings: TrainConfig, run_dir: Path, job: Job) -> list[Callback]:
    """The callbacks that write a run's history and checkpoints, and that stop it early if ``patience`` is set."""
    stopping = settings.training.patience
    return [
        History(run_dir / "metrics.csv"),
        *([EarlyStopping("val/loss", patience=stopping)] if stopping else []),
        *checkpoints(run_dir / "checkpoints", job.ranks_epochs),
    ]


@contextlib.contextmanager
def interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Turn Lightning's exit of the program on Ctrl-C or SIGTERM into a KeyboardInterrupt.

    The caller catches it and tells the user how to resume. The progress line is removed in any case.

    Args:
        trainer: the trainer that runs inside the context.

    Raises:
        KeyboardInterrupt: training was interrupted.
    """
    try:
        yield
    except SystemExit as stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from stop
    finally:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, ProgressLine):
                callback.stop()
