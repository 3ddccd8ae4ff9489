"""Checkpoints of many jobs, written beside training: one after the other they take longer than an epoch on a GPU."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.io import TorchCheckpointIO


class BesideTraining(TorchCheckpointIO):
    """Writes on threads of its own; files of one folder in the order in which they came, best before last.

    Args:
        threads: that write.
    """

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="checkpoints")
        self._latest: dict[Path, Future[None]] = {}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Soon; nothing of the checkpoint may change until then."""
        folder = Path(path).parent
        self._latest[folder] = self._pool.submit(self._write, checkpoint, path, self._latest.get(folder))

    def _write(self, checkpoint: dict[str, Any], path: Any, before: Future[None] | None) -> None:
        if before is not None:
            before.result()
        super().save_checkpoint(checkpoint, path)

    def wait(self) -> None:
        """Until all is written, so that no more than an epoch's files ever wait.

        Raises:
            OSError: something could not be written.
        """
        latest, self._latest = list(self._latest.values()), {}
        for one in latest:
            one.result()

    def teardown(self) -> None:
        """Lightning's end of training, however it came: what was handed over is written."""
        self.wait()
        self._pool.shutdown()
