"""Checkpoints of a run: ``best.ckpt`` has the lowest val/loss, ``last.ckpt`` is written after every epoch."""

from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint


class Checkpoint(ModelCheckpoint):
    """A checkpoint callback that keeps one file and may be resumed in a run folder that was moved.

    Lightning discards the best value when the path has changed, and the next epoch would then count as the best in any
    case. Here the paths in the saved state are replaced by those of the present folder.

    Args:
        folder: folder of the checkpoints.
        name: name of the file, without its suffix.
        monitor: metric whose lowest value selects the epoch to keep; None keeps the last epoch.
    """

    def __init__(self, folder: Path, name: str, monitor: str | None = None) -> None:
        super().__init__(
            folder, name, monitor=monitor, save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of the callback, with the paths of the present folder."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = {key: here(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best = {here(path): value for path, value in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath})


def checkpoints(folder: Path) -> list[Checkpoint]:
    """The callbacks that write ``best.ckpt`` and ``last.ckpt``.

    ``best`` comes first, because the state in ``last.ckpt`` must include the result of ``best`` for the same epoch.
    """
    return [Checkpoint(folder, "best", monitor="val/loss"), Checkpoint(folder, "last")]
