"""``vae-lab train`` as it is typed: through the program's own entry point, W&B, curves, checkpoints, progress line."""

import csv
import sys
import tempfile
from pathlib import Path

from common import Case, FirstStep, report, told

from vae_lab.cli import main as vae_lab


def words_of(case: Case, run_dir: Path) -> list[str]:
    """What one would type."""
    data = ["dataset=mnist", f"data_dir={case.data}"]
    if case.side != 28:
        data = ["dataset=image_folder", f"dataset.source.path={case.data}"]
    return [
        "train", f"model={case.model}", f"latent_dim={case.latent_dim}", f"batch_size={case.batch}", f"lr={case.lr}",
        f"epochs={case.epochs}", f"dataset.limit={case.images}", *data, "metrics=none", "figures=none",
        "logger=wandb", "logger.mode=offline", f"hydra.run.dir={run_dir}", *case.words,
    ]  # fmt: skip


def main() -> None:
    """Train, and read the seconds of each epoch off its metrics.csv.

    Raises:
        SystemExit: it ended with another status than 0.
    """
    case, first = told(), FirstStep()
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        sys.argv[3:] = []
        own, sys.argv = sys.argv, ["vae-lab", *words_of(case, run_dir)]
        try:
            vae_lab()
        except SystemExit as end:
            if end.code:
                raise
        sys.argv = own
        with (run_dir / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    seconds = [float(row["epoch_seconds"]) for row in rows]
    report(seconds, first, ["pytorch-lightning", "wandb", "hydra-core"], loss=float(rows[-1]["train/loss"]))


if __name__ == "__main__":
    main()
