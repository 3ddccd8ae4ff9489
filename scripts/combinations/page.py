"""Writes ``docs/combinations.md``: what works with which model, and in one line why something does not."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from combinations.options import all_cells, choices
from combinations.parts import nodes
from combinations.trying import Outcome, Result

INTRODUCTION = """# What works with what

Every objective, likelihood, posterior, prior, quantizer and `conditional=true` can be typed with every model, and every
metric, figure, sampler and command with every run. `make check-combinations` tries them and writes this page; models
that a new file in `conf/model` adds appear by themselves. `make test` tries a few combinations, and `make test-slow`
each option once with every model.

A combination *works* if a small network takes two optimizer steps, and its scores and its samples are finite numbers.
One that does not make sense is refused in one line before anything is written. The numbers in the tables refer to
these lines, which stand below.

These combinations are to be tried:

* with one model of each class ({leaders}) the full product of all groups;
* with each of the other models, which differ from these in their networks alone, every objective with every likelihood,
  every posterior with every prior, and every option with and without `conditional=true`;
* a setting with few values, such as `objective.gradient=dreg`, with the defaults of the other groups.

**{tried:,} of these {all:,} combinations were tried{short}, up to {date}.**
{works:,} work, {refused:,} are refused, {faults:,} are faults.{minutes}

Groups that a model does not read (a dash in the tables) are refused unless they have their default. Images are 8×8
scans of digits with labels; `likelihood=categorical` has phrases of six tokens. *works, but 1* says that some
combinations of the cell work, and that others are refused for reason 1.
"""
COMMANDS = """## Commands and ways to train

Each model is trained for two epochs on drawn images of 9×9 with labels and known factors. *resume* continues a run
that was stopped, with the same curves as an undisturbed one; *stack* is two jobs of a sweep with `launcher=vectorized`,
which train as one; *load_run* is the function for notebooks. *compile* (`compile=true`) and *ddp* (two processes)
take long, and are tried with one model of each class at most. A row with further words is a run with these options.
The commands `encode`, `decode`, `reconstruct`, `interpolate`, `detect` and `explore` are not among them yet.
"""
SECTIONS = {"command": COMMANDS, "sampler": "## Samplers\n", "metric": "## Metrics\n", "figure": "## Figures\n"}


Entry = Callable[[str, Any], str]  # of a model and a column
Results = Mapping[str, Sequence[Result]]  # of the runs, by model


class Footnotes:
    """The reasons on a page, numbered in the order of their first use."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, reason: str) -> str:
        """The number of a reason."""
        return str(self.numbers.setdefault(reason, len(self.numbers) + 1))

    def lines(self) -> list[str]:
        """All of them, as a list of the page."""
        return [f"{number}. {reason}" for reason, number in self.numbers.items()]


def page(outcomes: Sequence[Outcome], results: Results, leaders: Sequence[str], minutes: int) -> str:
    """The whole page.

    Args:
        outcomes: of all combinations.
        results: what the runs of each model do.
        leaders: the models with which the full product was tried.
        minutes: how long it took.
    """
    notes, faults = Footnotes(), [one for one in outcomes if one.fault]
    refused = [one for one in outcomes if one.refused and not one.fault]
    took = f" This took {minutes} minutes on one core." if minutes else ""
    works = sum(one.works for one in outcomes)
    tried, possible = len(outcomes), max(len(outcomes), len(all_cells()))
    short = ": each option with each model, and of the others a random choice" if tried < possible else ""
    text = INTRODUCTION.format(leaders=listed(leaders), tried=tried, all=possible, short=short, works=works,
                               refused=len(refused), faults=len(faults), minutes=took, date=date.today())  # fmt: skip
    parts = [text, "## Objectives\n", *table(outcomes, ["objective"], notes)]
    parts += ["", "## Likelihoods, posteriors, priors, quantizers, labels\n"]
    parts += table(outcomes, ["likelihood", "conditional"], notes)
    parts += ["", *table(outcomes, ["posterior", "prior", "quantizer"], notes)]
    for group, heading in SECTIONS.items():
        parts += ["", heading, *table_of_results(results, group, notes)]
        if later := not_tried(results, group):
            parts += ["", f"Added after these runs were tried, and not in the table yet: {listed(later)}."]
        if group == "command" and not any(one.name == "ddp" for several in results.values() for one in several):
            parts += ["", "*compile* and *ddp* were left out this time (`--quick`)."]
        if group == "command" and (untried := [name for name in models_in(outcomes) if name not in results]):
            parts.append(f"Runs of these models were not tried: {listed(untried)}.")
    parts += ["", "## Reasons\n", "`…` stands for the model or another choice of the combination.", "", *notes.lines()]
    return "\n".join(parts) + "\n"


def not_tried(results: Results, group: str) -> list[str]:
    """The options of ``conf/`` that no run was tried with, although others of their group were."""
    tried = {one.name for several in results.values() for one in several if one.group == group}
    return [name for name, _ in nodes(f"{group}s") if name not in tried] if tried and group in PARTS else []


def listed(names: Iterable[str]) -> str:
    """Names as options in a sentence."""
    return ", ".join(f"`{name}`" for name in names)


def table(outcomes: Sequence[Outcome], axes: Sequence[str], notes: Footnotes) -> list[str]:
    """A table of options of some groups by model. Models with the same row share one."""
    of_cell: dict[tuple[str, str, object], list[Outcome]] = defaultdict(list)
    for one in outcomes:
        for axis in axes:
            of_cell[one.cell.model, axis, bare(getattr(one.cell, axis))].append(one)
    columns = [(axis, option) for axis in axes for option in options_of(outcomes, axis)]

    def entry(model: str, column: tuple[str, object]) -> str:
        axis, option = column
        found = of_cell.get((model, axis, option), [])
        return summary(found, axis, notes) if found and (axis not in READ or len(choices(model, axis)) > 1) else "–"

    heads = [f"{option}" if axis != "conditional" else "conditional" for axis, option in columns]
    return rows(heads, columns, models_in(outcomes), entry)


PARTS = ("metric", "figure")
READ = ("posterior", "prior", "quantizer")


def options_of(outcomes: Sequence[Outcome], axis: str) -> list[object]:
    """The options of a group that were tried, without settings; of ``conditional``, only true."""
    found = dict.fromkeys(bare(getattr(one.cell, axis)) for one in outcomes)
    return [option for option in found if option is not False]


def bare(option: object) -> object:
    """An option without the settings that are typed with it."""
    return option.partition(" ")[0] if isinstance(option, str) else option


def models_in(outcomes: Iterable[Outcome]) -> list[str]:
    """The models that were tried, in the order of the alphabet."""
    return sorted({one.cell.model for one in outcomes})


def summary(outcomes: Sequence[Outcome], axis: str, notes: Footnotes) -> str:
    """``works``, or that some combinations of a cell work, with the reasons of the others."""
    reasons = dict.fromkeys(general(one.refused, one.cell.model) for one in outcomes if one.refused and not one.fault)
    faults = dict.fromkeys(f"**fault**: {one.cell.words}: {one.fault}" for one in outcomes if one.fault)
    own = [reason for reason in reasons if belongs(reason, axis, outcomes)]
    numbers = ", ".join(notes(reason) for reason in [*own, *faults])
    if not numbers:
        return "works"
    return f"works, but {numbers}" if any(one.works for one in outcomes) else numbers


def belongs(reason: str, axis: str, outcomes: Sequence[Outcome]) -> bool:
    """Whether a reason is to be given in the columns of a group: all of the cell is refused, or the reason names it."""
    return not any(one.works for one in outcomes) or f"{axis}=" in reason or (axis in reason and axis == "objective")


def general(reason: str, model: str) -> str:
    """A reason without the names that the row and the column have already."""
    reason = re.sub(r"^(objective|sampler)=\w+", r"\1=…", reason.replace(f"model={model} ", "model=… "))
    return re.sub(r"this model has \d+", "this model has several", reason)


def table_of_results(results: Results, group: str, notes: Footnotes) -> list[str]:
    """A table of what the runs of each model do: the results of one group."""
    found = {(model, one.name): one for model, several in results.items() for one in several if one.group == group}
    columns = list(dict.fromkeys(name for _, name in found))

    def entry(model: str, name: str) -> str:
        one = found.get((model, name))
        if one is None:
            return "–"
        if one.fault:
            return notes(f"**fault**: model={model}: {one.name}: {one.fault}")
        return notes(general(one.refused, model.partition(" ")[0])) if one.refused else "works"

    # Most names are the same for all models: those are listed, and the others have a column.
    same = [name for name in columns if all(entry(model, name) == "works" for model in results)]
    other = [name for name in columns if name not in same]
    lines = [f"These work with all of them: {listed(same)}.", ""] if same else []
    return lines + (rows(other, other, list(results), entry) if other else [])


def rows(
    heads: Sequence[str], columns: Sequence, models: Sequence[str], entry: Callable[[str, object], str]
) -> list[str]:
    """The lines of a table; models whose entries are the same are in one row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for model in models:
        alike.setdefault(tuple(entry(model, column) for column in columns), []).append(model)
    lines = ["| " + " | ".join(["model", *heads]) + " |", "|---" * (len(columns) + 1) + "|"]
    return lines + ["| " + " | ".join([", ".join(names), *entries]) + " |" for entries, names in alike.items()]
