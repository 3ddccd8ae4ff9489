"""Write docs/scores.md: every score of real images, blurred images, a VAE, an autoencoder, and noise.

    python scripts/score_table.py --data <folder with MNIST> --out <folder for runs> [--vae <run>] [--ae <run>]

The script trains the default VAE, and the same network as an autoencoder, unless finished runs are arguments. It scores
both with metrics=full, and scores arrays of real, blurred and noise images with `vae-lab score`. Each command is
printed before it runs.
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
    "FID, KID, recall, coverage, the Inception Score and the label distance rank these sets as a human observer would: "
    "real digits, then samples of the VAE or blurred digits, then the autoencoder, then noise. Four scores must not be "
    "interpreted alone. Precision and density reward typical images: blurred digits lie deeper among the test images "
    "than training images do. The confidence of a classifier is meaningless far from its training data: it is highest "
    "for noise. Novelty identifies training images as copies, which they are, and is near 0 for images that resemble "
    "no digit."
)
FLOORS = (
    "The column of real images is the floor of the other columns. It contains more than sampling error, because the "
    "classifier was trained on these images and gives them features that differ from those of test images. Halves of "
    "the test images show what sampling error alone gives: the FID of 10,000 images would be {split:.2f} "
    "(`fid_split_floor`) instead of {floor:.2f}. Tables of scores show this value in brackets beside the floor if "
    "there are at least four images for each feature (512 images for the classifier, 8,192 for Inception); for fewer "
    "images there is none. Both are estimates: where a classifier fits its training images no better than others, "
    "there is no shift, both estimate the same error, and the floor may lie below the value in brackets "
    "(fashion_mnist: 0.297 and 0.372).\n\n"
    "Between halves of 5,000 images precision is 0.958, recall 0.951, density 1.00 and coverage 0.963; between 5,000 "
    "training and 5,000 test images they are 0.936, 0.956, 0.93 and 0.947. The KID is unbiased, so that sampling error "
    "moves it in both directions, and the interval of its floor contains 0. The floor of the MMD of codes compares "
    "draws from the prior with others; no classifier takes part in it."
)


ATTRIBUTES = """\
## Scores of attributes

`metrics=attributes` is for datasets with attributes. The vector of an attribute is the mean code of training images
with it minus the mean code without it (*raw*), or the same with weights that make all combinations of the other
attributes equally frequent on both sides (*corrected*); `metrics.attributes.method=svm` takes the normals of support
vector machines. A combination without examples is refused if its attributes are named in
`metrics.attributes.balance`; by default, an attribute that leaves fewer than 10 examples for a combination is not
balanced, and `results.json` names it with the number of examples (`arrays`, `attributes`).

- **attribute_accuracy**: how often the dot product of a test code and the vector lies on the right side of the
  threshold that is best for training codes. The share of the more frequent value stands in `results.json` as
  `majority`.
- **attribute_effect**: by how much adding the vector raises the attribute's own probability in decoded images, as the
  dataset's classifier of attributes reads it, for test images that lack the attribute.
- **attribute_leakage**: by how much it changes the probability of each other attribute, the mean of absolute values
  over pairs; **attribute_leakage_together** over the pairs whose correlation in the training data is at least 0.1.
  Pairs that exclude each other do not count.
- **attribute_reading**: how often the classifier reads reconstructions right. What it cannot read in the test images
  (`attribute_reading_floor`), it cannot see leaking either."""


def run_cli(*words: str) -> None:
    """Print a command and run it."""
    print("$", shlex.join(["vae-lab", *words]), flush=True)
    subprocess.run([PROGRAM, *words], check=True)


def finished(folder: Path) -> bool:
    """Whether a run folder contains results."""
    return (folder / "results.json").exists()


def trained(folder: Path, data: list[str], *words: str) -> Path:
    """Return a run folder with all scores; train and score the run if that has not been done."""
    if not finished(folder):
        run_cli("train", *words, *data, "metrics=none", f"hydra.run.dir={folder}")
    if not {"test/novelty_closer", "test/fid_split_floor"} <= {
        *json.loads((folder / "results.json").read_text())["metrics"]
    }:
        run_cli("evaluate", f"run={folder}", "metrics=full", "metrics.nll.images=100")  # 1,000 would take half an hour
    return folder


def write_arrays(run: Path, out: Path) -> None:
    """Write 10,000 training images, the same images blurred, and noise: float32 [N, 1, 28, 28] in [0, 1]."""
    x = torch.cat(list(load_run(run).data.clean("pool", N)))
    arrays = {"real": x, "blurred": gaussian_blur(x, [7, 7], [1.0, 1.0]),
              "noise": torch.rand(x.shape, generator=torch.Generator().manual_seed(0))}  # fmt: skip
    for name, array in arrays.items():
        np.save(out / f"{name}.npy", array.numpy())


def cell(results: dict, name: str) -> str:
    """A table cell: the value of a score, with half the width of its interval."""
    value = results["metrics"].get(name)
    if value is None:
        return "–"
    low, high = results["intervals"].get(name, (0, 0))
    spread = f" ± {(high - low) / 2:.2g}" if high - low > 1e-9 else ""
    return f"{value:.4g}{spread}"


def escaped(text: str) -> str:
    """The text with vertical bars escaped, so that it can be a cell of a Markdown table."""
    return text.replace("|", "\\|")


def markdown(results: dict[str, dict], epochs: int) -> str:
    """The complete page as Markdown."""
    images = [name for name in results["real"]["metrics"] if not name.endswith("_floor")]
    others = [name for name in results["vae"]["metrics"] if name not in results["real"]["metrics"]]
    meanings = {**results["vae"]["meanings"], **results["real"]["meanings"]}
    protocol = results["vae"]["protocol"]["fid"]
    lines = [
        "# Every score, on images of known quality",
        "",
        f"This page scores {N:,} images of each kind, based on MNIST, with seed 0. The features are those of "
        f"{protocol['features']} (test accuracy {100 * protocol['classifier_test_accuracy']:.2f} %, "
        f"sha256 `{protocol['extractor_sha256'][:16]}…`); the reference is {protocol['reference']}. ± is half of the "
        "95 % interval. The VAE and the autoencoder have model=cnn and latent_dim=16 and were trained for "
        f"{epochs} epochs. The page is written by `python scripts/score_table.py`.",
        "",
        *(f"- **{name}**: {description}" for name, description in COLUMNS.items()),
        "",
        READING,
        "",
        FLOORS.format(
            split=results["vae"]["metrics"]["test/fid_split_floor"], floor=results["vae"]["metrics"]["test/fid_floor"]
        ),
        "",
        "## Scores of images",
        "",
        f"| score | {' | '.join(COLUMNS)} | meaning |",
        f"|---|{'---:|' * len(COLUMNS)}---|",
    ]
    for name in images:
        cells = (cell(results[column], name) for column in COLUMNS)
        lines.append(f"| {name.removeprefix('test/')} | {' | '.join(cells)} | {escaped(meanings[name])} |")
    images_of_nll = results["vae"]["protocol"]["nll"]["images"]
    lines += [
        "",
        "## Scores of models",
        "",
        f"nll is computed from {images_of_nll} test images, all other scores from 10,000.",
        "",
        "| score | vae | ae | meaning |",
        "|---|---:|---:|---|",
    ]
    for name in others:
        cells = (cell(results[column], name) for column in ("vae", "ae"))
        lines.append(f"| {name.removeprefix('test/')} | {' | '.join(cells)} | {escaped(meanings[name])} |")
    return "\n".join([*lines, "", ATTRIBUTES]) + "\n"


def main() -> None:
    """Train the models, score all sets of images, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with MNIST; default: $VAE_LAB_DATA, or a download")
    parser.add_argument("--out", type=Path, required=True, help="folder to write runs and arrays to")
    parser.add_argument("--vae", type=Path, help="a finished run of the VAE, which is then not trained")
    parser.add_argument("--ae", type=Path, help="a finished run of the autoencoder, which is then not trained")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    data = [f"data_dir={arguments.data}"] if arguments.data else []
    runs = {"vae": trained(arguments.vae or arguments.out / "vae", data, "model=cnn"),
            "ae": trained(arguments.ae or arguments.out / "ae", data, "model=cnn", "objective=ae")}  # fmt: skip
    write_arrays(runs["vae"], arguments.out)
    for name in ("real", "blurred", "noise"):
        runs[name] = arguments.out / f"score-{name}"
        if not finished(runs[name]):
            run_cli("score", f"images={arguments.out / name}.npy", "logger=none", *data, f"hydra.run.dir={runs[name]}")
    results = {name: json.loads((folder / "results.json").read_text()) for name, folder in runs.items()}
    page = Path(__file__).parent.parent / "docs" / "scores.md"
    page.write_text(markdown(results, load_run(runs["vae"]).config["epochs"]), encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
