"""Tests that every option of conf/ is compared with an independent computation, and the quick ones of these checks.

``make check-science`` carries out all of them and writes docs/agreement.md.
"""

import math
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from vae_lab.config.conf import CONF

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from check_science.checks import CHECKS, Check, NotInstalled, relative_difference, rows, standard_errors  # noqa: E402
from check_science.coverage import options, without_check  # noqa: E402
from check_science.page import page, shown  # noqa: E402
from check_science.precision import double_precision  # noqa: E402

with double_precision():
    import check_science.everything  # noqa: F401

PAGE = (ROOT / "docs" / "agreement.md").read_text(encoding="utf-8")


def made(*found, statistical=False, quantities=("loss",)) -> Check:
    return Check("objective", "new", quantities, "by hand", statistical, False, lambda: iter(found))


def test_every_option_has_a_check():
    assert without_check(CONF, CHECKS) == []


def test_every_check_is_of_an_option():
    assert {(one.kind, one.name) for one in CHECKS if one.kind != "formula"} == options(CONF)


def test_a_new_option_without_a_check_is_named(tmp_path):
    shutil.copytree(CONF, tmp_path / "conf")
    (tmp_path / "conf" / "objective" / "new.yaml").write_text("_target_: mylab.New\n")
    (tmp_path / "conf" / "metrics" / "new.yaml").write_text("new:\n  _target_: mylab.New\n")
    (tmp_path / "conf" / "metrics" / "both.yaml").write_text("defaults: [new, fid]\n")
    assert without_check(tmp_path / "conf", CHECKS) == ["metrics/new", "objective/new"]


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: f"{one.kind}-{one.name}-{one.quantities[0]}")
def test_the_page_has_a_row_that_agrees_for_every_quantity(one):
    reference = one.reference.replace("|", r"\|")
    for quantity in one.quantities:
        escaped = quantity.replace("|", r"\|")
        start = f"| {one.name} | {escaped} | {reference} | "
        (line,) = [line for line in PAGE.splitlines() if line.startswith(start)]
        assert line.endswith("| agrees |"), "type make check-science, which writes docs/agreement.md"


@pytest.mark.parametrize(
    "one",
    [one for one in CHECKS if not one.slow and not one.statistical],
    ids=lambda one: f"{one.kind}-{one.name}-{one.quantities[0]}",
)
def test_quick_checks_agree(one):
    with double_precision():
        assert [shown(row) for row in rows(one) if not row.good] == []


def test_a_wrong_value_differs():
    (row,) = rows(made(("loss", 1.0, 1.0), ("loss", torch.tensor([3.0, 1.0]), [3.0, 1.0001])))
    assert (row.cases, row.good) == (2, False)
    assert row.difference == pytest.approx(1e-4 / 3)
    assert "| new | loss | by hand | 2 | 3e-05 | 1e-05 | DIFFERS |" in page([row])


def test_an_estimate_four_standard_errors_away_differs():
    draws = np.array([-1.0, 1.0] * 50)
    error = draws.std(ddof=1) / 10
    for distance, good in ((2.9, True), (3.1, False)):
        (row,) = rows(made(("loss", draws, distance * error), statistical=True))
        assert row.difference == pytest.approx(distance)
        assert row.good is good


def test_differences():
    assert relative_difference([0.0, 4.0], [0.0, 2.0]) == 1.0
    assert relative_difference(0.5, 0.0) == 0.5
    assert relative_difference(math.nan, 1.0) == math.inf
    assert standard_errors([1.0, 3.0], [0.0, 2.0]) == pytest.approx(1 / math.sqrt(2))
    assert standard_errors([1.0, 1.0], 2.0) == math.inf
    with pytest.raises(AssertionError, match="shapes"):
        relative_difference([1.0, 2.0], 1.0)


def test_a_quantity_that_is_not_compared_is_an_error():
    with pytest.raises(AssertionError, match="objective/new compared"):
        rows(made(("loss", 1.0, 1.0), quantities=("loss", "gradient")))


def test_a_missing_package_is_named_and_no_failure():
    def compare():
        raise NotInstalled("pythae")
        yield

    (row,) = rows(Check("objective", "new", ("loss",), "pythae", False, False, compare))
    assert row.good
    assert shown(row)[4] == "pythae is not installed"


def test_double_precision_ends_with_its_block():
    with double_precision():
        assert torch.ones(1).float().dtype == torch.float64
    with suppress(ZeroDivisionError), double_precision():
        _ = 1 / 0
    assert torch.ones(1).dtype == torch.float32
    assert torch.ones(1).double().float().dtype == torch.float32
