"""The table of all rows, on the terminal and as docs/agreement.md."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

from rich.console import Console
from rich.table import Table

from check_science.checks import EXACT, STATISTICAL, Row

PAGE = Path(__file__).parents[2] / "docs" / "agreement.md"
KINDS = {
    "objective": "Objectives",
    "likelihood": "Likelihoods",
    "posterior": "Posteriors",
    "prior": "Priors",
    "quantizer": "Quantizers",
    "sampler": "Samplers",
    "beta_schedule": "Schedules",
    "metrics": "Scores",
    "scores": "Anomaly scores",
    "formula": "Formulas and intervals",
}
PACKAGES = ("vae-lab", "torch", "numpy", "scipy", "scikit-learn", "torchmetrics", "torch-fidelity", "mpmath", "pythae",
            "disentanglement_lib", "vector-quantize-pytorch", "pyod")  # fmt: skip
HEADER = "| option | quantity | reference | cases | difference | allowed | |\n|---|---|---|---:|---:|---:|---|"


def shown(row: Row) -> list[str]:
    """The cells of a row: option, quantity, reference, number of cases, difference, limit, and whether they agree."""
    if row.missing:
        return [
            row.check.name,
            row.quantity,
            row.check.reference,
            "",
            f"{row.missing} is not installed",
            "",
            "left out",
        ]
    statistical = row.check.statistical
    found = f"{row.difference:.2f} SE" if statistical else f"{row.difference:.0e}" if row.difference else "0"
    limit = f"{STATISTICAL:.0f} SE" if statistical else f"{EXACT:.0e}"
    return [row.check.name, row.quantity, row.check.reference, str(row.cases), found, limit, verdict(row)]


def verdict(row: Row) -> str:
    """One word."""
    return "agrees" if row.good else "DIFFERS"


def print_row(console: Console, row: Row, seconds: float) -> None:
    """Print a row as soon as it is known."""
    option, quantity, _, cases, found, limit, word = shown(row)
    colour = "" if row.good else "[bold red]"
    line = f"{colour}{word:8} {row.check.kind}={option}: {quantity}: {found} (allowed {limit}, {cases} cases)"
    console.print(f"{line}  {seconds:.1f} s", highlight=False, soft_wrap=True)


def table(rows: Iterable[Row]) -> Table:
    """All rows as a table for the terminal."""
    made = Table("kind", "option", "quantity", "reference", "cases", "difference", "allowed", "")
    for row in rows:
        made.add_row(row.check.kind, *shown(row), style="" if row.good else "bold red")
    return made


def versions() -> str:
    """The versions of the packages that take part."""
    found = [f"Python {python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (not installed)")
    return ", ".join(found)


def summary(rows: list[Row]) -> str:
    """How many rows agree, and the largest differences."""
    exact = [row for row in rows if not row.check.statistical and not row.missing]
    statistical = [row for row in rows if row.check.statistical and not row.missing]
    missing = sum(bool(row.missing) for row in rows)
    largest = max((row.difference for row in exact), default=0.0)
    furthest = max((row.difference for row in statistical), default=0.0)
    bad = sum(not row.good for row in rows)
    lines = f"{len(exact)} exact rows, largest relative difference {largest:.0e}; {len(statistical)} statistical rows, "
    lines += f"largest distance {furthest:.2f} standard errors"
    lines += f"; {missing} rows left out because a package is not installed" if missing else ""
    return f"{lines}; {f'{bad} rows differ' if bad else 'all agree'}."


def page(rows: list[Row]) -> str:
    """The text of docs/agreement.md."""
    parts = [INTRODUCTION, f"{summary(rows)}\n\nVersions: {versions()}."]
    for kind, title in KINDS.items():
        of_kind = sorted((row for row in rows if row.check.kind == kind), key=lambda row: row.check.name)
        if of_kind:
            cells = (" | ".join(cell.replace("|", r"\|") for cell in shown(row)) for row in of_kind)
            parts.append(f"## {title}\n\n{HEADER}\n" + "\n".join(f"| {line} |" for line in cells))
    return "\n\n".join([*parts, NOTES])


INTRODUCTION = """# Agreement with independent computations

This page is written by `make check-science`, which takes about three minutes of one core. Every objective, likelihood,
posterior, prior, quantizer, sampler, schedule and score that `conf/` offers is compared with a second computation of
its definition, written independently of the package: distributions of torch and SciPy, loops over pairs, dimensions
and pixels, full Jacobians, quadrature, models whose likelihood is known (probabilistic PCA), and other packages. The
files in `scripts/check_science/` hold these computations with their papers and equations. A new option in `conf/`
without a row here fails a test.

Everything is computed in double precision on small random models and images. An *exact* row shows the largest relative
difference over its cases: the largest absolute difference of two arrays, divided by the largest absolute value of the
reference. It may be at most 1e-05. In a *statistical* row random estimates are compared with their expectation; it
shows their distance in standard errors (SE), which may be at most 3. All draws have fixed seeds."""

NOTES = """## Notes

- *pythae*, *disentanglement_lib* and *vector-quantize-pytorch* are compared where they are installed:
  `pip install --no-deps pythae==0.1.2 disentanglement_lib`, and
  `pip install --no-deps vector-quantize-pytorch==1.32.0 einops einx frozendict loguru torch-einops-utils`.
- The gradient is that of the loss to all parameters of the model. `loss` leaves out the constants that `recon` leaves
  out (`likelihood=mse`: D/2 · log π).
- pythae's importance-weighted losses are numbers whose gradient is that of the bound, so that only gradients are
  compared. Its minibatch-stratified sampling gives the weight of the remaining examples to another example of the batch
  than ours, so that only minibatch-weighted sampling is compared. Its MIWAE takes the logarithm of the mean over
  `number_gradient_estimates` and averages over `number_samples`, and is compared with the two exchanged.
- disentanglement_lib is given the same points, or each draws its own points with 20 seeds. The synthetic codes are
  described in `scripts/check_science/factor_grids.py`.
- vector-quantize-pytorch's losses are means over vectors and dimensions, ours are sums, and the numbers are scaled
  accordingly. Its LFQ counts bits from the other end. Its trained codebook has one weight for both terms of the loss,
  which is ours with β = 1. It is run without its smoothing of usage (`eps=0`) and its rotation of gradients. Restarts
  of dead codes are random in both and are not compared. The package updates a codebook that all depths of a residual
  quantizer share once per depth; it is given the residuals of all depths at once, as ours is.
- A statistical row is expected to be more than 3 standard errors away once in 370 rows. The seeds are those with which
  the rows were written.
"""
