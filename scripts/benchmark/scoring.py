"""How long the scores take that people wait for: FID and NLL, dense and CNN, on MNIST."""

import sys
from collections.abc import Callable
from pathlib import Path

from images import digits
from measure import measured
from results import Row

Say = Callable[[str], None]


def scoring(threads: int, quick: bool, say: Say) -> list[Row]:
    """Rows of model, score and seconds."""
    rows = []
    for model in ("dense",) if quick else ("dense", "cnn"):
        told = {"model": model, "data": str(digits()[0])}
        for row in measured(Path(sys.executable), "score", told, threads):
            say(f"{model}: {row['score']}: {row['seconds']:.1f} s")
            rows.append({"model": model, **row})
    return rows
