"""Check the scores of images: agreement with independent implementations, run time and peak memory.

    python scripts/check_scores.py --data <folder with MNIST>                 # agreement
    python scripts/check_scores.py --data <folder with MNIST> --time          # also seconds and peak memory

Agreement is tested on the classifier's features of real MNIST images and of blurred MNIST images. Times are measured
for a default CNN and a dense model after one epoch, since the quality of a model does not change them.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table
from scipy.linalg import sqrtm
from torch import Tensor, nn
from torch_fidelity.metric_prc import calculate_precision_recall_full
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance
from torchvision.transforms.v2.functional import gaussian_blur

from vae_lab.config.conf import CONF
from vae_lab.evaluation.scoring import silent
from vae_lab.features.classifier import classifier_for
from vae_lab.metrics.fid import frechet
from vae_lab.metrics.inception_score import inception_score
from vae_lab.metrics.kid import kid
from vae_lab.metrics.prdc import neighbourhoods
from vae_lab.runs.build import make_data

SIZES = (500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
TIES = 2e-3  # relative; distances in single precision may swap two neighbours
console = Console(width=120)
logging.captureWarnings(True)  # hides warnings of torchmetrics about its buffers


class Given(nn.Module):
    """A feature extractor that returns its input, so that metrics of torchmetrics accept computed features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        """Return the features unchanged."""
        return features


def fid_by_torchmetrics(a: Tensor, b: Tensor) -> float:
    """Return the FID of torchmetrics, in double precision."""
    metric = FrechetInceptionDistance(feature=Given(a.shape[1])).set_dtype(torch.float64)
    metric.update(b.double(), real=True)
    metric.update(a.double(), real=False)
    return metric.compute().item()


def fid_by_scipy(a: Tensor, b: Tensor) -> float:
    """Return the FID by its formula, with SciPy's matrix square root."""
    (mu1, cov1), (mu2, cov2) = ((x.double().mean(0).numpy(), np.cov(x.double().numpy(), rowvar=False)) for x in (a, b))
    return float(((mu1 - mu2) ** 2).sum() + np.trace(cov1 + cov2 - 2 * sqrtm(cov1 @ cov2).real))


def kid_by_torchmetrics(a: Tensor, b: Tensor) -> float:
    """Return the KID of torchmetrics, with all images as one subset."""
    metric = KernelInceptionDistance(feature=Given(a.shape[1]), subsets=1, subset_size=len(a)).set_dtype(torch.float64)
    metric.update(b.double(), real=True)
    metric.update(a.double(), real=False)
    return metric.compute()[0].item()


def score_by_torchmetrics(logits: Tensor) -> float:
    """Return the Inception Score of torchmetrics, without splits."""
    metric = InceptionScore(feature=Given(logits.shape[1]), splits=1).set_dtype(torch.float64)
    metric.update(logits.double())
    return metric.compute()[0].item()


def prdc_by_loops(real: Tensor, fake: Tensor, k: int) -> list[float]:
    """Return precision, recall, density and coverage by their definitions, from full float64 distance matrices."""
    rr, ff, rf = (torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")
                  for x, y in ((real, real), (fake, fake), (real, fake)))  # fmt: skip
    reach_real, reach_fake = rr.sort(1).values[:, k], ff.sort(1).values[:, k]
    inside = rf < reach_real[:, None]
    return [inside.any(0).double().mean().item(), (rf < reach_fake[None]).any(1).double().mean().item(),
            inside.double().sum(0).mean().item() / k, inside.any(1).double().mean().item()]  # fmt: skip


def features_of_mnist(data_dir: str | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return features of all 60,000 training images, features of these images blurred, and logits of the latter."""
    with initialize_config_dir(str(CONF.absolute()), version_base="1.3"):
        config = OmegaConf.to_container(compose("train", ["dataset=mnist", f"data_dir={data_dir or 'null'}"]))
    config["dataset"] |= {"batch_size": 1, "seed": 0}
    data = make_data(config)
    read = classifier_for(data, torch.device("cpu"), silent)
    with torch.inference_mode():
        clean = [read(x)[0] for x in data.clean("pool")]
        blurred = [read(gaussian_blur(x, [5, 5], [0.7, 0.7])) for x in data.clean("pool")]
    return torch.cat(clean), torch.cat([found[0] for found in blurred]), torch.cat([found[1] for found in blurred])


class Comparison:
    """A table of scores by several implementations, and whether they agree."""

    def __init__(self) -> None:
        self.table = Table("score", "images", "vae-lab", "others", "relative difference")
        self.good = True

    def add(self, name: str, n: int, ours: float, *others: float, allowed: float = 1e-4) -> None:
        """Add a row, whose largest relative difference must not exceed ``allowed``."""
        difference = max(abs(ours - other) / abs(other) for other in others)
        self.good &= difference <= allowed
        self.table.add_row(name, f"{n:,}", f"{ours:.8g}", " ".join(f"{x:.8g}" for x in others), f"{difference:.0e}")


def agreement(data_dir: str | None) -> bool:
    """Print each score with those of other implementations, and return whether all agree."""
    clean, blurred, logits = features_of_mnist(data_dir)
    comparison = Comparison()
    for n in SIZES:  # the two sets overlap as little as possible; FID does not depend on the order of images
        a, b = blurred[-n:], clean[:n]
        comparison.add("FID: torchmetrics, SciPy", n, frechet(a, b), fid_by_torchmetrics(a, b), fid_by_scipy(a, b))
    for n in (500, 2000):
        a, b, read = blurred[-n:], clean[:n], logits[-n:]
        comparison.add("KID: torchmetrics", n, kid(a, b)[0].item(), kid_by_torchmetrics(a, b))
        comparison.add("Inception Score: torchmetrics", n, inception_score(read).item(), score_by_torchmetrics(read))
        ours = [values.mean().item() for values in vars(neighbourhoods(b, a, 5)).values()]
        plain, (precision, recall) = prdc_by_loops(b, a, 5), calculate_precision_recall_full(a, b, 5)
        comparison.add("precision: plain, torch-fidelity", n, ours[0], plain[0], precision, allowed=TIES)
        comparison.add("recall: plain, torch-fidelity", n, ours[1], plain[1], recall, allowed=TIES)
        comparison.add("density: plain", n, ours[2], plain[2], allowed=TIES)
        comparison.add("coverage: plain", n, ours[3], plain[3], allowed=TIES)
    console.print(comparison.table)
    console.print(
        f"{'All' if comparison.good else 'NOT all'} agree to 1e-4 (precision to coverage: to {TIES:g}, because of ties)"
    )
    return comparison.good


PROBE = """
import json, resource, sys, time
import vae_lab
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from vae_lab.config.conf import CONF
from vae_lab.evaluation.parts import metrics_of
with initialize_config_dir(str(CONF.absolute()), version_base="1.3"):
    words = ["run=x", *sys.argv[2].split()]
    metrics = metrics_of(OmegaConf.to_container(compose("evaluate", words)))
run = vae_lab.load_run(sys.argv[1])
evaluation = run.evaluation
started = time.perf_counter()
scores = evaluation.run(metrics)
seconds = time.perf_counter() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"seconds": seconds, "GiB": memory, "scores": scores.values}))
"""
MEASURED = {  # name: (model, words of vae-lab evaluate, seconds allowed)
    "FID of 10,000 samples, floor and reconstructions": ("cnn", "metrics=fid", 10),
    "the full set without NLL": ("cnn", "metrics=full ~metrics.nll", 60),
    "NLL, 5,000 samples × 1,000 images": ("dense", "metrics=nll", 180),
}


def timing(data_dir: str | None, rounds: int) -> bool:
    """Print seconds and peak memory of each measurement, and return whether all are within their limits.

    A first round, which fills the caches, is not counted.
    """
    table = Table("what", "model", "seconds", "allowed", "peak GiB")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for model in ("cnn", "dense"):
            words = [f"model={model}", "epochs=1", "logger=none", "metrics=none", "figures=none"]
            place = [f"hydra.run.dir={folder}/{model}", *([f"data_dir={data_dir}"] if data_dir else [])]
            subprocess.run([Path(sys.executable).parent / "vae-lab", "train", *words, *place], check=True)
        for what, (model, words, allowed) in MEASURED.items():
            command = [sys.executable, "-c", PROBE, f"{folder}/{model}", words]
            skipped = 0 if "nll" in words.split("=") else 1  # NLL has no cache to fill
            found = [_probe(command) for _ in range(rounds + skipped)][skipped:]
            seconds, memory = [run["seconds"] for run in found], max(run["GiB"] for run in found)
            good &= min(seconds) <= allowed and memory < 2
            table.add_row(what, model, " ".join(f"{s:.1f}" for s in seconds), f"{allowed}", f"{memory:.2f}")
    console.print(f"{torch.get_num_threads()} threads")
    console.print(table)
    return good


def _probe(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run the checks; the exit status is 1 if scores disagree or take longer than allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with MNIST; default: $VAE_LAB_DATA, or a download")
    parser.add_argument("--time", action="store_true", help="also measure seconds and memory")
    parser.add_argument("--rounds", type=int, default=2, help="repetitions of each measurement")
    given = parser.parse_args()
    good = agreement(given.data)
    if given.time:
        good = timing(given.data, given.rounds) and good
    sys.exit(not good)


if __name__ == "__main__":
    main()
