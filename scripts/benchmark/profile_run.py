"""Profile a default run with py-spy, which samples its main thread fifty times per second.

A sample counts for the first entry of :data:`PARTS` that has a word in one of the sample's frames.
"""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from environments import last_line
from images import digits
from measure import VAE_LAB, WorkerFailed, worker_environment
from results import Row

RATE = 50  # samples per second
PARTS = (
    ("imports", ("importlib._bootstrap",)),
    ("compilation", ("torch/_dynamo/convert_frame.py", "torch/_inductor/compile_fx.py")),
    ("W&B", ("wandb",)),
    ("validation", ("evaluation_loop.py", "validation_step")),
    ("figures", ("vae_lab/figures", "matplotlib")),
    ("scores", ("vae_lab/metrics", "vae_lab/evaluation/outputs.py", "vae_lab/evaluation/scoring.py")),
    ("checkpoints and metrics.csv", ("save_checkpoint", "model_checkpoint.py", "vae_lab/training/history.py")),
    ("training: backward pass", ("backward (",)),
    ("training: optimizer", ("torch/optim/",)),
    ("training: forward pass and loss", ("vae_lab/training/job.py", "vae_lab/objectives")),
    ("training: batches and noise", ("vae_lab/data/batches.py", "vae_lab/noise.py")),
    ("training: Lightning and bookkeeping", ("training_epoch_loop.py", "vae_lab/training/lit.py")),
    ("data", ("make_data", "vae_lab/data/")),
    ("networks and the trial of the objective", ("make_job", "_try_objective")),
    ("config", ("hydra", "omegaconf", "pydantic", "vae_lab/config/schema.py", "vae_lab/config/settings.py")),
    ("the rest", ("",)),
)


def profile(threads: int, quick: bool, say: Callable[[str], None]) -> list[Row]:
    """Return rows with a part, its seconds and its share of a default run of one epoch on MNIST.

    Raises:
        WorkerFailed: py-spy is not installed, or the run failed.
    """
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise WorkerFailed("py-spy is not installed; type pip install py-spy")
    words = ["train", f"data_dir={digits()[0]}", "epochs=1", "logger.mode=offline"]
    words += ["dataset.limit=5000"] if quick else []
    with tempfile.TemporaryDirectory() as folder:
        stacks = Path(folder) / "stacks.txt"
        how = f"--nonblocking --rate {RATE} --format raw --idle --threads --full-filenames".split()
        command = [spy, "record", *how, "--output", stacks, "--", *VAE_LAB, *words]
        done = subprocess.run(
            command, cwd=folder, env=worker_environment(threads), capture_output=True, text=True, check=False
        )
        if done.returncode or not stacks.exists():
            raise WorkerFailed(f"py-spy: {last_line(done.stderr)}")
        counts = counted(stacks.read_text(encoding="utf-8"))
    total = sum(counts.values())
    say(f"{total / RATE:.1f} s in all")
    return [{"part": part, "seconds": counts[part] / RATE, "share": counts[part] / total} for part, _ in PARTS]


def counted(stacks: str) -> Counter[str]:
    """Count the samples of the main thread by part.

    Args:
        stacks: lines ``thread (7): MainThread;frame;frame;… count``, with the outermost frame first.
    """
    lines = [line.rpartition(" ") for line in stacks.splitlines()]
    threads = [frames.partition(";")[0] for frames, _, _ in lines]
    main = next(thread.partition(":")[0] for thread in threads if thread.endswith("MainThread"))
    counts: Counter[str] = Counter()
    for (frames, _, count), thread in zip(lines, threads):
        if (
            thread.partition(":")[0] == main
        ):  # compares only the number, since the thread has no name while Python starts
            counts[part_of(frames)] += int(count)
    return counts


def part_of(frames: str) -> str:
    """Return the first part that has a word in one of the frames."""
    return next(part for part, words in PARTS if any(word in frames for word in words))
