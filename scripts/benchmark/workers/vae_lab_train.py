"""Train with ``vae-lab train`` through its entry point, with W&B, curves, checkpoints and a progress line."""

import csv
import sys
import tempfile
from pathlib import Path

from common import Case, FirstStep, read_case, report

from vae_lab.cli import main as vae_lab


def words_of(case: Case, run_dir: Path) -> list[str]:
    """Return the words of the command line."""
    data = ["dataset=mnist", f"data_dir={case.data}"]
    if case.side != 28:
        data = ["dataset=image_folder", f"dataset.source.path={case.data}"]
    return [
        "train", f"model={case.model}", f"latent_dim={case.latent_dim}", f"batch_size={case.batch}", f"lr={case.lr}",
        f"epochs={case.epochs}", f"dataset.limit={case.images}", *data, "metrics=none", "figures=none",
        "logger=wandb", "logger.mode=offline", f"hydra.run.dir={run_dir}", *case.words,
    ]  # fmt: skip


def main() -> None:
    """Train the case, and report the seconds of each epoch from its metrics.csv.

    Raises:
        SystemExit: the program ended with an exit status other than 0.
    """
    case, first = read_case(), FirstStep()
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        sys.argv[3:] = []
        arguments, sys.argv = sys.argv, ["vae-lab", *words_of(case, run_dir)]
        try:
            vae_lab()
        except SystemExit as end:
            if end.code:
                raise
        sys.argv = arguments
        with (run_dir / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    seconds = [float(row["epoch_seconds"]) for row in rows]
    report(seconds, first, ["pytorch-lightning", "wandb", "hydra-core"], loss=float(rows[-1]["train/loss"]))


if __name__ == "__main__":
    main()
