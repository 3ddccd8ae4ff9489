"""Measure the time of FID and NLL for the dense model and the CNN on MNIST."""

import sys
from collections.abc import Callable
from pathlib import Path

from images import digits
from measure import measured
from results import Row

Say = Callable[[str], None]


def scoring(threads: int, quick: bool, say: Say) -> list[Row]:
    """Return rows with a model, a score and its seconds."""
    rows = []
    for model in ("dense",) if quick else ("dense", "cnn"):
        task = {"model": model, "data": str(digits()[0])}
        for row in measured(Path(sys.executable), "score", task, threads):
            say(f"{model}: {row['score']}: {row['seconds']:.1f} s")
            rows.append({"model": model, **row})
    return rows
