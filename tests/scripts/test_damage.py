"""A few tries of the script that damages files of run folders; ``make damage ARGS="--count 1000"`` makes more."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "damage"


def test_damaged_files_are_refused_in_one_line(tmp_path):
    words = [sys.executable, SCRIPT, "--count", "12", "--seed", "0"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "12 tried, 0 failed"
