"""Compare the five disentanglement scores with disentanglement_lib (Locatello et al. 2019) on the same codes.

    pip install --no-deps disentanglement_lib
    python scripts/check_disentanglement.py --seeds 3

Both implementations score the same synthetic codes of all 737,280 combinations of the factors of dSprites, with the
default settings of vae-lab; each draws its own points. DCI takes a coarser grid and fewer points, since it would take
hours otherwise. The script prints a Markdown table of both, with mean ± standard deviation over seeds, and then the
largest difference between MIG and SAP when both implementations are given the same points.

The scores of disentanglement_lib need only numpy and scikit-learn. This script provides stand-ins for gin and the other
packages that its files import.
"""

import argparse
import sys
import types
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
import sklearn.metrics  # disentanglement_lib uses this module without importing it
import torch

from vae_lab.examples import Factors
from vae_lab.metrics.beta_vae_metric import BetaVAEMetric
from vae_lab.metrics.common.factor_codes import FactorCodes, factor_codes
from vae_lab.metrics.dci import DCI
from vae_lab.metrics.factor_vae_score import FactorVAEScore
from vae_lab.metrics.mig import MIG, information_gaps
from vae_lab.metrics.sap import SAP, separation
from vae_lab.noise import SeededNoise

T = TypeVar("T")
Sizes = tuple[int, ...]
SIZES, COARSE = (3, 6, 40, 32, 32), (3, 6, 8, 8, 8)
NAMES = ("shape", "scale", "orientation", "x", "y")
DEAD = 0.05


def synthetic_codes(sizes: Sizes) -> dict[str, torch.Tensor]:
    """Return codes [M, 6] by name: five dimensions of factors and one of noise."""
    draws = torch.Generator().manual_seed(0)
    axes = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in sizes), indexing="ij")
    factors = torch.stack(axes, -1).reshape(-1, len(sizes))
    factors = factors / factors.std(0)

    def noise(d: int, scale: float) -> torch.Tensor:
        return scale * torch.randn(len(factors), d, generator=draws)

    turn = torch.linalg.qr(torch.randn(5, 5, generator=draws)).Q
    half = torch.linalg.qr(torch.randn(3, 3, generator=draws)).Q
    return {
        "perfect": torch.cat([factors, noise(1, 1.0)], 1),
        "noisy": torch.cat([factors + noise(5, 0.5), noise(1, 1.0)], 1),
        "half entangled": torch.cat([factors[:, :2], factors[:, 2:] @ half + noise(3, 0.1), noise(1, 1.0)], 1),
        "rotated": torch.cat([factors @ turn + noise(5, 0.1), noise(1, 0.01)], 1),  # with a dead dimension
        "noise": noise(6, 1.0),
    }


class Given:
    """Codes with the interface of a trained model's evaluation."""

    def __init__(self, codes: torch.Tensor, sizes: Sizes, seed: int) -> None:
        self.codes, self.seed = codes, seed
        self.data = SimpleNamespace(name="synthetic", factors=Factors(NAMES, sizes, codes, "synthetic codes"))

    def factor_codes(self) -> torch.Tensor:
        """Return all codes."""
        return self.codes

    def noise(self, purpose: str) -> SeededNoise:
        """Return the noise for a purpose, as an evaluation does."""
        return SeededNoise("cpu", self.seed, "evaluation", purpose)

    def progress(self, steps: Iterable[T], _: str) -> Iterable[T]:
        """Return the steps without showing progress."""
        return steps


class Grid:
    """The same codes with the interface of disentanglement_lib's GroundTruthData; its observations are the codes."""

    def __init__(self, codes: torch.Tensor, sizes: Sizes) -> None:
        self.codes, self.sizes, self.num_factors = codes.numpy(), sizes, len(sizes)

    def sample_factors(self, num: int, random: np.random.RandomState) -> np.ndarray:
        """Return random values of the factors [num, F]."""
        return np.stack([random.randint(size, size=num) for size in self.sizes], 1)

    def sample_observations_from_factors(self, factors: np.ndarray, _: object) -> np.ndarray:
        """Return the codes of the factor values."""
        return self.codes[np.ravel_multi_index(factors.T, self.sizes)]

    def sample(self, num: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Return random values of the factors, and their codes."""
        factors = self.sample_factors(num, random)
        return factors, self.sample_observations_from_factors(factors, random)

    def sample_observations(self, num: int, random: np.random.RandomState) -> np.ndarray:
        """Return the codes of random values of the factors."""
        return self.sample(num, random)[1]


def their_library() -> SimpleNamespace:
    """Return the modules of disentanglement_lib, with fixed settings instead of bindings by gin."""
    gin, gin_tf, six, moves = (types.ModuleType(name) for name in ("gin", "gin.tf", "six", "six.moves"))
    gin.configurable = lambda *_, **__: lambda function: function
    gin.REQUIRED, gin.tf, six.moves, moves.range = None, gin_tf, moves, range
    absl = types.ModuleType("absl")
    absl.logging = SimpleNamespace(info=lambda *_: None)
    stand_ins = {"gin": gin, "gin.tf": gin_tf, "six": six, "six.moves": moves, "absl": absl}
    sys.modules.update({name: module for name, module in stand_ins.items() if name not in sys.modules})
    from disentanglement_lib.evaluation.metrics import beta_vae, dci, factor_vae, mig, sap_score, utils

    utils.make_discretizer = lambda target: utils._histogram_discretize(target, 20)
    factor_vae._prune_dims = lambda variances: np.sqrt(variances) >= DEAD  # its published configuration
    return SimpleNamespace(beta_vae=beta_vae, dci=dci, factor_vae=factor_vae, mig=mig, sap_score=sap_score)


def our_scores(fine: torch.Tensor, coarse: torch.Tensor, seed: int, points: int) -> dict[str, float]:
    """Return vae-lab's scores: four with default settings, and DCI on the coarse grid."""
    given, found = Given(fine, SIZES, seed), DCI(points, points)(Given(coarse, COARSE, seed)).values  # type: ignore[arg-type]
    for metric in (BetaVAEMetric(), FactorVAEScore(dead=DEAD), MIG(), SAP()):
        found.update(metric(given).values)  # type: ignore[arg-type]
    return found


def their_scores(
    lib: SimpleNamespace, fine: torch.Tensor, coarse: torch.Tensor, seed: int, points: int
) -> dict[str, float]:
    """Return the scores of disentanglement_lib under the same names."""
    given = (Grid(fine, SIZES), lambda x: x, np.random.RandomState(seed))
    dci = lib.dci.compute_dci(Grid(coarse, COARSE), *given[1:], num_train=points, num_test=points)
    numbers = {"batch_size": 64, "num_train": 10_000, "num_eval": 5000}
    sap = lib.sap_score.compute_sap(*given, num_train=10_000, num_test=5000, continuous_factors=False)
    factor_vae = lib.factor_vae.compute_factor_vae(*given, **numbers, num_variance_estimate=10_000)
    return {
        "beta_vae_metric": lib.beta_vae.compute_beta_vae_sklearn(*given, **numbers)["eval_accuracy"],
        "factor_vae_score": factor_vae["eval_accuracy"],
        "mig": lib.mig.compute_mig(*given, num_train=10_000)["discrete_mig"],
        "sap": sap["SAP_score"],
        "dci_disentanglement": dci["disentanglement"],
        "dci_completeness": dci["completeness"],
        "dci_informativeness": dci["informativeness_test"],
    }


def same_points(lib: SimpleNamespace, codes: torch.Tensor) -> dict[str, float]:
    """Return the absolute differences of MIG and SAP when both implementations get the same 10,000 points."""
    grid, _ = factor_codes(Given(codes, SIZES, 0), "mig")  # type: ignore[arg-type]
    assert isinstance(grid, FactorCodes)
    train, test = (grid.sample(SeededNoise("cpu", part), 10_000) for part in ("train", "test"))
    mig = information_gaps(*train, 20).mean() - lib.mig._compute_mig(train[0].T, train[1].T)["discrete_mig"]
    right = [[SAP().accuracy(train, test, d, k) for k in range(len(SIZES))] for d in range(codes.shape[1])]
    theirs = lib.sap_score._compute_sap(*(part.T for part in (*train, *test)), False)["SAP_score"]
    return {"mig": abs(mig), "sap": abs(separation(np.array(right)).mean() - theirs)}


def main() -> None:
    """Print the table and the largest differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--dci-points", type=int, default=1000, help="training points of DCI, and as many test points")
    options = parser.parse_args()
    try:
        library = f"disentanglement_lib {version('disentanglement_lib')}"
    except PackageNotFoundError:
        sys.exit("disentanglement_lib is not installed; type pip install --no-deps disentanglement_lib")
    lib, exact = their_library(), {}
    print(f"{library}, scikit-learn {sklearn.__version__}, numpy {np.__version__}, {options.seeds} seeds\n")
    print("| codes | score | vae-lab | disentanglement_lib | difference |\n|---|---|---|---|---|")
    fine, coarse = synthetic_codes(SIZES), synthetic_codes(COARSE)
    for name, codes in fine.items():
        seeds, both = range(options.seeds), (codes, coarse[name])
        ours = [our_scores(*both, seed, options.dci_points) for seed in seeds]
        theirs = [their_scores(lib, *both, seed, options.dci_points) for seed in seeds]
        for score in ours[0]:
            a, b = (np.array([found[score] for found in side]) for side in (ours, theirs))
            cells = " | ".join(f"{x.mean():.4f} ± {x.std(ddof=1):.4f}" for x in (a, b))
            print(f"| {name} | {score} | {cells} | {a.mean() - b.mean():+.4f} |", flush=True)
        exact[name] = same_points(lib, codes)
    largest = {score: max(found[score] for found in exact.values()) for score in ("mig", "sap")}
    print("\nOn the same points: " + ", ".join(f"|Δ {score}| ≤ {most:.1e}" for score, most in largest.items()))


if __name__ == "__main__":
    main()
