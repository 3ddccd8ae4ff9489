"""Lightning's trainer as it is set up here, for one run or for several that are trained as one."""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger

from vae_lab.config.devices import device_for
from vae_lab.config.schema import TrainConfig
from vae_lab.system.memory import keep_freed_memory
from vae_lab.training.checkpoints import Checkpoint, checkpoints
from vae_lab.training.history import History
from vae_lab.training.lit import precision_of
from vae_lab.training.progress import ProgressLine


def make_trainer(
    settings: TrainConfig,
    folder: Path,
    callbacks: list[Callback],
    loggers: list[Logger],
    strategy: Any = "auto",
    epochs: int | None = None,
    plugins: Sequence[Any] = (),
) -> pl.Trainer:
    """Lightning's trainer, for one run or for several that are trained as one."""
    precision = precision_of(settings.precision, settings.accelerator.precision)
    device = device_for(settings.accelerator)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or the same run gives other numbers next time
    else:
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"  # by Lightning's 1, optimizers look for a GPU in every step
        keep_freed_memory()
    return pl.Trainer(
        accelerator=settings.accelerator.kind,
        devices=settings.accelerator.devices,
        strategy=strategy,
        **{**precision, "plugins": [*precision.get("plugins", []), *plugins]},
        max_epochs=epochs or settings.epochs,
        logger=loggers,
        callbacks=callbacks,
        log_every_n_steps=settings.training.log_every,
        deterministic="warn" if device.type == "cuda" else None,
        default_root_dir=folder,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # batches are shared among processes by EpochOrder
        enable_progress_bar=False,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_model_summary=False,
    )


def callbacks_of(settings: TrainConfig, run_dir: Path) -> list[Callback]:
    """What keeps a run's history and checkpoints, and may end it early."""
    stopping = settings.training.patience
    return [
        History(run_dir / "metrics.csv"),
        *([EarlyStopping("val/loss", patience=stopping)] if stopping else []),
        *checkpoints(run_dir / "checkpoints"),
    ]


@contextlib.contextmanager
def interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Lightning ends the program on Ctrl-C and SIGTERM; here it becomes an exception that says how to resume."""
    try:
        yield
    except SystemExit as stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from stop
    finally:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, ProgressLine):
                callback.stop()
