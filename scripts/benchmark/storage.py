"""Measure images that are mapped from a file beside images in memory: how fast they are read, and training on them."""

import sys
from collections.abc import Callable
from pathlib import Path

from cases import Case
from images import pictures
from measure import measured
from results import Row

IMAGES = 87_381  # 1 GiB of 64×64×3
Say = Callable[[str], None]


def storage(threads: int, quick: bool, say: Say) -> list[Row]:
    """Return rows with the place of the images (where), a batch size, what is done with them, and images per second."""
    python, rows = Path(sys.executable), []
    for row in measured(python, "storage", {"images": IMAGES // 20 if quick else IMAGES}, threads):
        rows.append({"what": "reading", **row})
        say(f"{row['where']}, batch {row['batch']}: {row['images_per_second']:,.0f} images/s")
    for where, limit in (("in the memory of the process", 4), ("mapped, in the system's memory", 0)):
        words = (f"dataset.source.memory_gb={limit}",)
        case = Case("dense", 64, 3, 128, 1280 if quick else 6400, epochs=4, data=str(pictures()), words=words)
        seconds = sorted(measured(python, "vae_lab_train", case.as_json(), threads)["epoch_seconds"][1:])
        speed = case.images / seconds[len(seconds) // 2]
        rows.append({"what": "training", "where": where, "batch": case.batch, "images_per_second": speed})
        say(f"training on images {where}: {speed:,.0f} images/s")
    return rows
