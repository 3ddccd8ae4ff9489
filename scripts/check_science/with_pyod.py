"""The scores of pyod (Zhao et al. 2019, arXiv 1901.01588), by the authors of COPOD and ECOD.

    pip install --no-deps pyod

COPOD and ECOD need only NumPy, SciPy, scikit-learn and joblib; a stand-in is provided for numba, which other detectors
use.
"""

import sys
import types
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from check_science.checks import Found, NotInstalled, check
from vae_lab.metrics.anomaly_scores.empirical_tails import EmpiricalTails, Joined

LIBRARY = "pyod"
ROWS, POINTS = 200, 20


@cache
def library() -> dict[Joined, Any]:
    """The classes COPOD and ECOD."""
    try:
        version(LIBRARY)
    except PackageNotFoundError:
        raise NotInstalled(LIBRARY) from None
    numba = types.ModuleType("numba")
    numba.njit = lambda *given, **_: given[0] if given else lambda function: function  # type: ignore[attr-defined]
    sys.modules.setdefault("numba", numba)
    return {"copod": import_module("pyod.models.copod").COPOD, "ecod": import_module("pyod.models.ecod").ECOD}


@check("formula", "empirical_tails", "copod", "ecod", reference=f"{LIBRARY}, fitted rows and one new point at a time")
def empirical_tails() -> Iterator[Found]:
    """Skewed and symmetric columns; points within and far outside of them, one at a time.

    The library's skewness includes the new point; with 200 rows, this changes no sign here.
    """
    random = np.random.RandomState(0)
    rows = np.stack([random.gamma(2.0, size=ROWS), -random.gamma(2.0, size=ROWS), random.gamma(9.0, size=ROWS)], 1)
    points = np.concatenate([rows[: POINTS // 2] + 0.1, 1.5 * random.randn(POINTS // 2, 3)])
    for joined, detector in library().items():
        made = detector()
        made.fit(rows)
        theirs = [made.decision_function(point[None])[0] for point in points]
        yield joined, EmpiricalTails(torch.from_numpy(rows))(torch.from_numpy(points), joined), theirs
