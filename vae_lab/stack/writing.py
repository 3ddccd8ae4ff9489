"""Writes the checkpoints of many jobs in the background: in sequence, they take longer than an epoch on a GPU."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pytorch_lightning.plugins.io import TorchCheckpointIO

from vae_lab.stack.optimizer import State
from vae_lab.training.checkpoints import write_checkpoint


class BackgroundCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints on a pool of threads. Files of the same folder are written in the order of the calls.

    Args:
        threads: number of threads that write.
    """

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="checkpoints")
        self._latest: dict[Path, Future[None]] = {}

    def save_checkpoint(self, checkpoint: State, path: str | Path, storage_options: object = None) -> None:
        """Start writing a checkpoint. The caller must not change it until it is written."""
        folder = Path(path).parent
        self._latest[folder] = self._pool.submit(self._write, checkpoint, path, self._latest.get(folder))

    def _write(self, checkpoint: State, path: str | Path, before: Future[None] | None) -> None:
        if before is not None:
            before.result()
        write_checkpoint(checkpoint, Path(path))

    def wait(self) -> None:
        """Wait until everything is written. Called once per epoch, it limits the waiting files to those of one epoch.

        Raises:
            OSError: a file could not be written.
        """
        latest, self._latest = list(self._latest.values()), {}
        for future in latest:
            future.result()

    def teardown(self) -> None:
        """Finish writing; Lightning calls this at the end of training, also after an error."""
        self.wait()
        self._pool.shutdown()
