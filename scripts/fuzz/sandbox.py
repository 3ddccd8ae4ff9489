"""The folder in which a command line is tried: a copy of prepared files, with runs, images and an array of images."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fuzz.child import carry_out

TINY = ["dataset=digits", "dataset.limit=32", "batch_size=16", "epochs=1", "latent_dim=2", "model=dense",
        "model.net.width=8", "logger=none"]  # fmt: skip
RUN, STOPPED, SWEEP, IMAGES, ARRAY, CODES = "run", "stopped", "sweep", "images", "images.npy", "codes.npy"
ODD = "odd 'run' [1]; ~a=b, (c) {d}"  # the name of a run folder that has to be quoted
WORK = "work"  # the current folder; beside it are the home folder and the folder for temporary files


class Sandbox:
    """Prepared files, and what all command lines share: the cache, and the environment.

    Args:
        base: an empty folder.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.prepared = base / "prepared"
        (self.prepared / WORK).mkdir(parents=True)
        (base / "trials").mkdir()

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the variables for a command line that runs in a folder."""
        return {
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "VAE_LAB_CACHE": str(self.base / "cache"),
            "VAE_LAB_DATA": os.environ.get("VAE_LAB_DATA") or str(self.base / "no-data"),
            "WANDB_MODE": "offline",
            "NETRC": str(self.base / "no-netrc"),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "HYDRA_FULL_ERROR": "0",  # a trace would not be one line
        }

    def prepare(self) -> None:
        """Write the prepared files with the program itself.

        Raises:
            RuntimeError: a command line failed.
        """
        work, tmp = self.prepared / WORK, self.prepared / "tmp"
        tmp.mkdir()
        run = [*TINY, "metrics=none", "figures=none", f"hydra.run.dir={RUN}"]
        sweep = [*TINY, "metrics=none", "figures=none", "-m", "beta=1,2", f"hydra.sweep.dir={SWEEP}"]
        lines = (["train", *run], ["sample", f"run={RUN}", "n=24", "dir=images"], ["train", *sweep])
        for words in lines:
            self._prepared_by(words)
        shutil.move(next((work / RUN / "samples").glob("*.npy")), work / ARRAY)
        self._prepared_by(["encode", f"run={RUN}", f"images={ARRAY}", f"to={CODES}"])
        shutil.rmtree(work / RUN / "samples")
        shutil.copytree(work / RUN, work / ODD)
        shutil.copytree(work / RUN, work / STOPPED)
        (work / STOPPED / "results.json").unlink()
        (work / "file").write_text("in the way", encoding="utf-8")

    def _prepared_by(self, words: list[str]) -> None:
        ended = carry_out(words, self.prepared / WORK, self.environment(self.prepared), 300)
        if ended.status:
            raise RuntimeError(f"vae-lab {' '.join(words)}: {ended.err}")

    @contextmanager
    def copy(self, keep: bool = False) -> Iterator[tuple[Path, Mapping[str, str]]]:
        """Yield a copy of the prepared files, and the environment for command lines in it; remove it afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self.base / "trials"))
        try:
            shutil.copytree(self.prepared, folder, dirs_exist_ok=True)
            yield folder, self.environment(folder)
        finally:
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
