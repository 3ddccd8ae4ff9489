"""Measure the time of ``vae-lab --help``, and the time to the first step of a run with its parts."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from images import digits
from measure import VAE_LAB, measured, worker_environment
from results import Row

RUNS = 3
Say = Callable[[str], None]


def startup(threads: int, quick: bool, say: Say) -> list[Row]:
    """Return rows with a name and its seconds: medians over several runs, after a first run that fills the caches."""
    runs = 1 if quick else RUNS
    root, _ = digits()
    words = ["train", "dataset=mnist", f"data_dir={root}", "epochs=1", "dataset.limit=1280", "metrics=none",
             "figures=none", "logger.mode=offline"]  # fmt: skip
    found = [measured(Path(sys.executable), "startup", {"words": words}, threads) for _ in range(runs + 1)][1:]
    names = list(dict.fromkeys(name for each in found for name in each["seconds"]))
    parts = {name: statistics.median(each["seconds"].get(name, 0.0) for each in found) for name in names}
    totals = [sum(each["seconds"].values()) for each in found]
    say(f"to the first step: {statistics.median(totals):.1f} s")
    return [
        {"what": "vae-lab --help", "seconds": help_seconds(threads, runs)},
        {"what": "vae-lab train, to the end of the first step", "seconds": statistics.median(totals)},
        *({"what": name, "seconds": seconds, "part": True} for name, seconds in parts.items()),
    ]


def help_seconds(threads: int, runs: int) -> float:
    """Return the seconds that ``vae-lab --help`` takes: the median over runs, after a first one."""
    seconds = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        subprocess.run([*VAE_LAB, "--help"], env=worker_environment(threads), check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])
