"""A sweep of eight equal jobs in sequence and side by side, in turns: seconds and their ratio.

    python scripts/benchmark_sweep.py                    # dense and cnn on MNIST, two rounds each
    python scripts/benchmark_sweep.py --model dense --rounds 3 --words epochs=10

Each job trains and is scored as `vae-lab train` does by itself; nothing of an earlier round is used again.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("vae-lab")
WORDS = ["seed=0,1,2,3,4,5,6,7", "epochs=3", "logger=none", "figures=none", "metrics=[loss_terms,fid]"]


def seconds(launcher: str, model: str, words: list[str]) -> float:
    """Of one whole sweep, from the command to its end.

    Raises:
        SystemExit: a job failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [PROGRAM, "train", "-m", f"model={model}", *WORDS, *words, f"launcher={launcher}"]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        took = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return took


def main() -> None:
    """Print a line per round and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", default=["dense", "cnn"])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--words", nargs="*", default=["dataset.limit=10000"])
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores; {' '.join([*WORDS, *asked.words])}")
    for model in asked.model:
        ratios = []
        for number in range(asked.rounds):
            sequence, joblib = (seconds(launcher, model, asked.words) for launcher in ("sequence", "joblib"))
            ratios.append(sequence / joblib)
            print(f"{model} round {number + 1}: in sequence {sequence:.1f} s, joblib {joblib:.1f} s, "
                  f"{ratios[-1]:.2f} times as fast", flush=True)  # fmt: skip
        print(f"{model}: {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
