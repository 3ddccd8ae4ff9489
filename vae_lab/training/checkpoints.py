"""``best.ckpt`` by val/loss and ``last.ckpt`` after each epoch."""

from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint


class Checkpoint(ModelCheckpoint):
    """Keeps one file in a run folder, also where the folder was moved since the run was interrupted.

    Lightning forgets the best value when the path has changed; the next epoch, however bad, would then count as best.
    """

    def __init__(self, folder: Path, name: str, monitor: str | None = None) -> None:
        super().__init__(
            folder, name, monitor=monitor, save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As Lightning does, with the paths of where the folder is now."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = {key: here(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best = {here(path): value for path, value in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath})


def checkpoints(folder: Path) -> list[Checkpoint]:
    """Best before last: the state that last.ckpt holds must know what best has come to."""
    return [Checkpoint(folder, "best", monitor="val/loss"), Checkpoint(folder, "last")]
