"""The scores of disentanglement_lib (Locatello et al. 2019, arXiv 1811.12359) on the same codes.

    pip install --no-deps disentanglement_lib

They need only NumPy and scikit-learn; stand-ins are provided for gin and the other packages that its files import.
"""

import sys
import types
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace

import numpy as np
import sklearn.metrics  # noqa: F401 - disentanglement_lib uses this module without importing it

from check_science.checks import Found, NotInstalled, check
from check_science.code_metrics import NAMES, same_points
from check_science.factor_grids import SIZES, Given, looked_up, synthetic_codes
from vae_lab.metrics.beta_vae_metric import BetaVAEMetric
from vae_lab.metrics.dci import importance_and_accuracy, weighted_certainty
from vae_lab.metrics.factor_vae_score import FactorVAEScore
from vae_lab.metrics.mig import information_gaps
from vae_lab.metrics.sap import SAP, separation

LIBRARY = "disentanglement_lib"
DEAD = 0.05


@cache
def library() -> SimpleNamespace:
    """The modules of disentanglement_lib, with fixed settings instead of bindings by gin."""
    try:
        version(LIBRARY)
    except PackageNotFoundError:
        raise NotInstalled(LIBRARY) from None
    gin, gin_tf, six, moves = (types.ModuleType(name) for name in ("gin", "gin.tf", "six", "six.moves"))
    gin.configurable = lambda *_, **__: lambda function: function  # type: ignore[attr-defined]
    gin.REQUIRED, gin.tf, six.moves, moves.range = None, gin_tf, moves, range  # type: ignore[attr-defined]
    absl = types.ModuleType("absl")
    absl.logging = SimpleNamespace(info=lambda *_: None)  # type: ignore[attr-defined]
    stand_ins = {"gin": gin, "gin.tf": gin_tf, "six": six, "six.moves": moves, "absl": absl}
    sys.modules.update({name: module for name, module in stand_ins.items() if name not in sys.modules})
    from disentanglement_lib.evaluation.metrics import beta_vae, dci, factor_vae, mig, sap_score, utils

    utils.make_discretizer = lambda target: utils._histogram_discretize(target, 20)
    factor_vae._prune_dims = lambda variances: np.sqrt(variances) >= DEAD  # its published configuration
    return SimpleNamespace(beta_vae=beta_vae, dci=dci, factor_vae=factor_vae, mig=mig, sap_score=sap_score)


class Grid:
    """Codes with the interface of disentanglement_lib's GroundTruthData; its observations are the codes."""

    num_factors = len(SIZES)

    def __init__(self, name: str) -> None:
        self.codes = synthetic_codes(SIZES)[name].numpy()

    def sample_factors(self, num: int, random: np.random.RandomState) -> np.ndarray:
        """Random values of the factors [num, F]."""
        return np.stack([random.randint(size, size=num) for size in SIZES], 1)

    def sample_observations_from_factors(self, factors: np.ndarray, _: object) -> np.ndarray:
        """The codes of the factor values."""
        return looked_up(self.codes, factors)

    def sample(self, num: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Random values of the factors, and their codes."""
        factors = self.sample_factors(num, random)
        return factors, self.sample_observations_from_factors(factors, random)

    def sample_observations(self, num: int, random: np.random.RandomState) -> np.ndarray:
        """The codes of random values of the factors."""
        return self.sample(num, random)[1]


@check("metrics", "mig", "mig", reference=f"{LIBRARY}, the same 10,000 points", slow=True)
def mig() -> Iterator[Found]:
    """All five kinds of codes."""
    lib = library()
    for name in NAMES:
        ((z, v),) = same_points(name, "mig", 10_000)
        yield "mig", information_gaps(z, v, 20).mean(), lib.mig._compute_mig(z.T, v.T)["discrete_mig"]


@check("metrics", "sap", "sap", reference=f"{LIBRARY}, the same 2,000 and 1,000 points", slow=True)
def sap() -> Iterator[Found]:
    """All five kinds of codes."""
    lib = library()
    for name in NAMES:
        train, test = same_points(name, "sap", 2000, 1000)
        right = [[SAP().accuracy(train, test, d, k) for k in range(len(SIZES))] for d in range(train[0].shape[1])]
        theirs = lib.sap_score._compute_sap(*(part.T for part in (*train, *test)), False)["SAP_score"]
        yield "sap", separation(np.array(right)).mean(), theirs


@check("metrics", "dci", "disentanglement", "completeness", "informativeness", slow=True,
       reference=f"{LIBRARY}, the same 300 and 300 points and the same seeds of its trees")  # fmt: skip
def dci() -> Iterator[Found]:
    """Its trees draw from NumPy's global generator, which is seeded before each factor as ours are."""
    lib = library()
    for name in ("noisy", "rotated"):
        (z, v), (z_new, v_new) = same_points(name, "dci", 300, 300)
        chosen = v % 5  # fewer values per factor: a tree per value and round
        chosen_new = v_new % 5
        ours, theirs = [], []
        for k in range(len(SIZES)):
            ours.append(importance_and_accuracy("boosted", 7, z, chosen[:, k], z_new, chosen_new[:, k]))
            np.random.seed(7)
            theirs.append(lib.dci.compute_importance_gbt(z.T, chosen.T[k : k + 1], z_new.T, chosen_new.T[k : k + 1]))
        importance = np.stack([row[0] for row in ours], 1)
        right = np.concatenate([row[0] for row in theirs], 1)
        yield "disentanglement", weighted_certainty(importance), lib.dci.disentanglement(right)
        yield "completeness", weighted_certainty(importance.T), lib.dci.completeness(right)
        yield "informativeness", np.mean([row[1] for row in ours]), np.mean([row[2] for row in theirs])


@check("metrics", "beta_vae_metric", "accuracy", statistical=True, slow=True,
       reference=f"{LIBRARY}, rotated codes, 20 seeds of its own points")  # fmt: skip
def beta_vae_metric() -> Iterator[Found]:
    """300 points of 16 pairs."""
    lib, ours, theirs = library(), [], []
    for seed in range(20):
        metric = BetaVAEMetric(train=300, eval=300, batch=16)
        ours.append(metric(Given("rotated", seed=seed)).values["beta_vae_metric"])  # type: ignore[arg-type]
        given = (Grid("rotated"), lambda x: x, np.random.RandomState(seed))
        found = lib.beta_vae.compute_beta_vae_sklearn(*given, batch_size=16, num_train=300, num_eval=300)
        theirs.append(found["eval_accuracy"])
    yield "accuracy", ours, theirs


@check("metrics", "factor_vae_score", "accuracy", statistical=True, slow=True,
       reference=f"{LIBRARY}, rotated codes, 20 seeds of its own points")  # fmt: skip
def factor_vae_score() -> Iterator[Found]:
    """300 votes of 16 images."""
    lib, ours, theirs = library(), [], []
    for seed in range(20):
        metric = FactorVAEScore(variances=2000, train=300, eval=300, batch=16, dead=DEAD)
        ours.append(metric(Given("rotated", seed=seed)).values["factor_vae_score"])  # type: ignore[arg-type]
        given = (Grid("rotated"), lambda x: x, np.random.RandomState(seed))
        numbers = {"batch_size": 16, "num_train": 300, "num_eval": 300, "num_variance_estimate": 2000}
        theirs.append(lib.factor_vae.compute_factor_vae(*given, **numbers)["eval_accuracy"])
    yield "accuracy", ours, theirs
