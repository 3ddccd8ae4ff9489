"""Checkpoints of a run: ``best.ckpt`` has the lowest val/loss, ``last.ckpt`` is written after every epoch.

Where the loss of an objective does not say which epoch is best (``Objective.ranks_epochs``), that is the last one.
"""

import shutil
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from vae_lab.system.files import replaced, write_torch

BEST, LAST = "best.ckpt", "last.ckpt"
AVERAGED = "averaged"  # the entry beside ``state_dict`` that holds the averaged weights of a run with training.ema


class Checkpoint(ModelCheckpoint):
    """A checkpoint callback that keeps one file and may be resumed in a run folder that was moved.

    Lightning discards the best value when the path has changed, and the next epoch would then count as the best in any
    case. Here the paths in the saved state are replaced by those of the present folder.

    Args:
        folder: folder of the checkpoints.
        name: name of the file, without its suffix.
        monitor: metric that selects the epoch to keep; None keeps the last epoch.
        mode: whether its lowest ('min') or its highest ('max') value does.
    """

    def __init__(self, folder: Path, name: str, monitor: str | None = None, mode: str = "min") -> None:
        super().__init__(
            folder, name, monitor=monitor, mode=mode, save_top_k=1, save_on_train_epoch_end=True,
            enable_version_counter=False,
        )  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of the callback, with the paths of the present folder."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = {key: here(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best = {here(path): value for path, value in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath})


def checkpoints(folder: Path, ranked: bool = True) -> list[Checkpoint]:
    """The callbacks that write ``best.ckpt`` and ``last.ckpt``.

    ``best`` comes first, because the state in ``last.ckpt`` must include the result of ``best`` for the same epoch.

    Args:
        folder: folder of the checkpoints.
        ranked: whether the epoch with the lowest val/loss is the best one; otherwise the last one counts as the best.
    """
    best = Checkpoint(folder, "best", "val/loss") if ranked else Checkpoint(folder, "best", "epoch", mode="max")
    return [best, Checkpoint(folder, "last")]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints beside their place, and puts them there once they are complete.

    Lightning's own way writes to the temporary folder of the system. If that is another file system, the file is copied
    over the earlier one, which is lost if the process is killed meanwhile or the disk is full.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Write a checkpoint.

        Raises:
            OSError: it could not be written; an earlier checkpoint at ``path`` is intact.
        """
        write_checkpoint(checkpoint, Path(path))


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint atomically; see :class:`AtomicCheckpointIO`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_torch(path, checkpoint)


def scored_weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in a checkpoint that a run is scored with: their average, where the run keeps one."""
    return _of_job(content.get(AVERAGED, content["state_dict"]))


def trained_weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in a checkpoint that the optimizer steps."""
    return _of_job(content["state_dict"])


def _of_job(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("job."): value for key, value in state.items()}


def is_whole(path: Path) -> bool:
    """Whether a checkpoint is there, complete, and has the checksums with which it was written.

    torch does not compare the checksums: it loads a file in which a bit has changed as if it were intact.
    """
    try:
        if not path.is_file():  # a pipe would block
            return False
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, RuntimeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        return False


def last_checkpoint(run_dir: Path) -> Path | None:
    """The checkpoint to resume a run from: ``last.ckpt``, or ``best.ckpt`` if that is missing or damaged.

    ``best.ckpt`` holds the complete state of training, too, after an earlier epoch.

    Returns:
        The path; None if no epoch was saved, or both files are damaged.
    """
    paths = [run_dir / "checkpoints" / name for name in (LAST, BEST)]
    return next((path for path in paths if is_whole(path)), None)


def to_continue(run_dir: Path) -> Path | None:
    """The checkpoint that training continues from, in a run that has been prepared; None if it starts.

    It is not read again: :func:`last_checkpoint` has, and :func:`restore_last` has put it in its place.
    """
    path = run_dir / "checkpoints" / LAST
    return path if path.exists() else None


def restore_last(checkpoint: Path) -> None:
    """Make a copy of the checkpoint that a run resumes from ``last.ckpt``, if it is another one.

    Otherwise a run that was killed between the two checkpoints of its last epoch would end without ``last.ckpt``.
    """
    last = checkpoint.with_name(LAST)
    if checkpoint != last:
        with replaced(last) as unfinished:
            shutil.copyfile(checkpoint, unfinished)
