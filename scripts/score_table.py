"""Writes docs/scores.md: every score for real images, blurred ones, a VAE, a plain autoencoder, and noise.

    python scripts/score_table.py --data <folder with MNIST> --out <folder for runs> [--vae <run>] [--ae <run>]

Trains the default VAE and the same network as an autoencoder where no finished run is given, scores both with
metrics=full, and scores arrays of real, blurred and noise images by `vae-lab score`. Each command is printed.
"""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torchvision.transforms.v2.functional import gaussian_blur

from vae_lab import load_run

N = 10_000
PROGRAM = Path(sys.executable).parent / "vae-lab"
COLUMNS = {
    "real": "training images",
    "blurred": "training images blurred by σ = 1 pixel",
    "vae": "samples of the default VAE",
    "ae": "draws from N(0, I) decoded by a plain autoencoder",
    "noise": "uniform noise",
}


READING = (
    "FID, KID, recall, coverage, the Inception Score and the distance of labels order these sets as eyes do: real, "
    "then VAE or blurred digits, autoencoder, noise. Four scores must not be read alone. Precision and density reward "
    "what is typical: blurred digits lie deeper among test images than test images do. The confidence of a classifier "
    "says nothing far from its data: it is surest of noise. Novelty counts training images as the copies that they "
    "are, and is near 0 for whatever is unlike any digit."
)


def run_cli(*words: str) -> None:
    """Print a command and run it."""
    print("$", shlex.join(["vae-lab", *words]), flush=True)
    subprocess.run([PROGRAM, *words], check=True)


def finished(folder: Path) -> bool:
    """Whether a run folder holds results."""
    return (folder / "results.json").exists()


def trained(folder: Path, data: list[str], *words: str) -> Path:
    """A run folder, trained if it is not there, with all scores."""
    if not finished(folder):
        run_cli("train", *words, *data, "metrics=none", f"hydra.run.dir={folder}")
    if "test/novelty_closer" not in json.loads((folder / "results.json").read_text())["metrics"]:
        run_cli("evaluate", f"run={folder}", "metrics=full", "metrics.nll.images=100")  # all 1,000: half an hour
    return folder


def write_arrays(run: Path, out: Path) -> None:
    """10,000 training images as they are, blurred, and noise: float32 [N, 1, 28, 28] in [0, 1]."""
    x = torch.cat(list(load_run(run).data.clean("pool", N)))
    arrays = {"real": x, "blurred": gaussian_blur(x, [7, 7], [1.0, 1.0]),
              "noise": torch.rand(x.shape, generator=torch.Generator().manual_seed(0))}  # fmt: skip
    for name, array in arrays.items():
        np.save(out / f"{name}.npy", array.numpy())


def cell(results: dict, name: str) -> str:
    """A value with half the width of its interval."""
    value = results["metrics"].get(name)
    if value is None:
        return "–"
    low, high = results["intervals"].get(name, (0, 0))
    spread = f" ± {(high - low) / 2:.2g}" if high - low > 1e-9 else ""
    return f"{value:.4g}{spread}"


def text(meaning: str) -> str:
    """As a cell of a table."""
    return meaning.replace("|", "\\|")


def markdown(results: dict[str, dict], epochs: int) -> str:
    """The page."""
    images = [name for name in results["real"]["metrics"] if not name.endswith("_floor")]
    others = [name for name in results["vae"]["metrics"] if name not in results["real"]["metrics"]]
    meanings = {**results["vae"]["meanings"], **results["real"]["meanings"]}
    protocol = results["vae"]["protocol"]["fid"]
    lines = [
        "# Every score, on images of known quality",
        "",
        f"MNIST, {N:,} images each, seed 0, {protocol['features']} (test accuracy "
        f"{100 * protocol['classifier_test_accuracy']:.2f} %, sha256 `{protocol['extractor_sha256'][:16]}…`), against "
        f"{protocol['reference']}. ± is half of the 95 % interval. VAE and autoencoder: model=cnn, latent_dim 16, "
        f"{epochs} epochs. Written by `python scripts/score_table.py`.",
        "",
        *(f"- **{name}**: {text}" for name, text in COLUMNS.items()),
        "",
        READING,
        "",
        "## Scores of images",
        "",
        f"| score | {' | '.join(COLUMNS)} | meaning |",
        f"|---|{'---:|' * len(COLUMNS)}---|",
    ]
    for name in images:
        cells = (cell(results[column], name) for column in COLUMNS)
        lines.append(f"| {name.removeprefix('test/')} | {' | '.join(cells)} | {text(meanings[name])} |")
    images_of_nll = results["vae"]["protocol"]["nll"]["images"]
    lines += [
        "",
        "## Scores of models",
        "",
        f"nll is of {images_of_nll} test images, everything else of 10,000.",
        "",
        "| score | vae | ae | meaning |",
        "|---|---:|---:|---|",
    ]
    for name in others:
        cells = (cell(results[column], name) for column in ("vae", "ae"))
        lines.append(f"| {name.removeprefix('test/')} | {' | '.join(cells)} | {text(meanings[name])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with MNIST; else $VAE_LAB_DATA, else a download")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and arrays")
    parser.add_argument("--vae", type=Path, help="a finished run")
    parser.add_argument("--ae", type=Path, help="a finished run")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    data = [f"data_dir={given.data}"] if given.data else []
    runs = {"vae": trained(given.vae or given.out / "vae", data, "model=cnn"),
            "ae": trained(given.ae or given.out / "ae", data, "model=cnn", "objective=ae")}  # fmt: skip
    write_arrays(runs["vae"], given.out)
    for name in ("real", "blurred", "noise"):
        runs[name] = given.out / f"score-{name}"
        if not finished(runs[name]):
            run_cli("score", f"images={given.out / name}.npy", "logger=none", *data, f"hydra.run.dir={runs[name]}")
    results = {name: json.loads((folder / "results.json").read_text()) for name, folder in runs.items()}
    page = Path(__file__).parent.parent / "docs" / "scores.md"
    page.write_text(markdown(results, load_run(runs["vae"]).config["epochs"]), encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
