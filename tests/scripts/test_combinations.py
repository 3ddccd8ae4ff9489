"""Tests that what combines works, or is refused in one line that names a way out.

``make check-combinations`` tries every combination and all that a run of each model can do, and writes
docs/combinations.md.
"""

import dataclasses
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from combinations import trying  # noqa: E402
from combinations.capabilities import results_of  # noqa: E402
from combinations.options import AXES, all_cells, cells, each_option, leaders, product_of, variants  # noqa: E402
from combinations.page import page  # noqa: E402
from combinations.trying import Outcome, Result, outcome_of, vain_advice, wrong_refusal  # noqa: E402

from vae_lab.config.help import groups  # noqa: E402

USUAL = each_option("dense")[0]
CHOSEN = [
    USUAL,
    USUAL._replace(objective="factor_vae", prior="mixture", likelihood="sigma"),
    USUAL._replace(objective="iwae", posterior="iaf", conditional=True),
    USUAL._replace(objective="rae_gp", likelihood="categorical"),
    USUAL._replace(model="hierarchical", likelihood="categorical"),
    USUAL._replace(model="ladder_cnn", objective="iwae", likelihood="bernoulli", conditional=True),
    USUAL._replace(model="vq_vae", quantizer="residual", likelihood="sigma"),
    USUAL._replace(model="vq_vae", objective="iwae"),
]


@pytest.mark.parametrize("cell", CHOSEN, ids=lambda cell: cell.words)
def test_a_selection_of_combinations(cell):
    assert outcome_of(cell).fault == ""


def test_the_selection_has_some_that_work_and_some_that_are_refused():
    refused = outcome_of(USUAL._replace(objective="beta_tcvae", prior="vamp"))
    assert refused.refused == "objective=beta_tcvae needs prior=standard; type prior=standard"
    assert not refused.works
    assert outcome_of(USUAL).works


def test_every_option_of_every_group_takes_part():
    for group in AXES:
        found = {getattr(cell, group).partition(" ")[0] for cell in cells("dense", True) + cells("vq_vae", True)}
        assert found == set(groups()[group])
    assert {cell.model for cell in all_cells()} == set(groups()["model"])
    assert len(all_cells()) == len(set(all_cells()))


def test_the_full_product_is_tried_with_one_model_of_each_class():
    assert {"dense", "hierarchical", "ladder", "vq_vae"} <= set(leaders())
    assert set(product_of("dense", *AXES, "conditional")) <= set(cells("dense", True))
    sizes = [sum(" " not in option for option in variants(group)) for group in ("objective", "likelihood")]
    assert len([*product_of("ladder", "objective", "likelihood")]) == sizes[0] * sizes[1]
    assert {cell.quantizer for cell in cells("ladder", True)} == {"ema"}  # which it does not read


def test_a_setting_with_few_values_is_tried():
    assert "iwae objective.gradient=dreg" in variants("objective")
    assert USUAL._replace(objective="iwae objective.gradient=dreg") in cells("dense", False)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("objective=wae needs one level; type objective=elbo", ""),
        ("conditional=true: no labels; leave it out", ""),
        ("objective=wae needs one level", "the refusal names no way out"),
        ("these fail: a trial step failed (x), so type model=cnn", "the refusal names no way out"),
        ("one\ntype model=cnn", "the refusal is no short line"),
    ],
)
def test_a_refusal_names_a_way_out_in_one_line(message, fault):
    assert wrong_refusal(message).startswith(fault)
    assert bool(wrong_refusal(message)) == bool(fault)


def test_advice_that_changes_nothing_is_a_fault():
    ladder = USUAL._replace(model="ladder")
    assert "does not read" in vain_advice("no KL term; type prior=standard", ladder)
    assert "chosen already" in vain_advice("no KL term; type prior=standard", USUAL)
    assert vain_advice("no KL term; type objective=ae", USUAL) == ""
    assert vain_advice("it is wrong; leave it out", USUAL) == ""


def test_numbers_that_are_not_finite_and_errors_are_faults(monkeypatch):
    def fails(*_):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(trying, "_steps_and_scores", fails)
    assert outcome_of(USUAL).fault.startswith("RuntimeError: shapes do not fit (test_combinations.py:")
    monkeypatch.setattr(trying, "_steps_and_scores", lambda _: "model/kl is not finite after 1 steps")
    assert outcome_of(USUAL).fault == "model/kl is not finite after 1 steps"
    assert not outcome_of(USUAL).works


def test_the_page_has_reasons_as_footnotes_and_joins_models_that_are_alike():
    other = USUAL._replace(model="cnn")
    several = [USUAL, other, *(cell._replace(objective="wae") for cell in (USUAL, other))]
    outcomes = [Outcome(cell, refused="no; type it" if cell.objective == "wae" else "") for cell in several]
    results = {"dense": [Result("metric", "fid"), Result("metric", "nll", refused="no density")]}
    text = page(outcomes, results, ["dense"], 0)
    assert "| cnn, dense | works | 1 |" in text
    assert "These work with all of them: `fid`." in text
    assert "1. no; type it" in text
    assert "2. no density" in text
    assert "2 work, 2 are refused, 0 are faults." in text
    broken = page([dataclasses.replace(outcomes[0], fault="NaN")], {}, ["dense"], 0)
    assert "**fault**" in broken


def test_the_page_of_the_repository_has_every_model_and_no_fault():
    text = (ROOT / "docs" / "combinations.md").read_text(encoding="utf-8")
    assert " 0 are faults." in text
    assert "**fault**" not in text
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in row.removeprefix("| ").split(", ")}
    missing = set(groups()["model"]) - named
    assert not missing, "type make check-combinations, which writes docs/combinations.md"


@pytest.mark.slow
@pytest.mark.parametrize("model", list(groups()["model"]))
def test_every_option_combines_with_every_model(model):
    faults = [f"{one.cell.words}: {one.fault}" for cell in each_option(model) if (one := outcome_of(cell)).fault]
    assert faults == []


@pytest.mark.slow
@pytest.mark.parametrize("model", leaders())
def test_a_run_of_each_class_of_models_goes_through_everything(model, tmp_path):
    faults = [one for one in results_of([f"model={model}"], tmp_path, slow=True) if one.fault]
    assert faults == []
