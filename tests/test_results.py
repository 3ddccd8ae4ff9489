"""Tests that the page of published and measured results has every recipe, and that its commands are valid."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from vae_lab.config.help import groups

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\|.*`vae-lab ", line)
]
RECIPES = [name for name in groups()["experiment"] if name.startswith("paper/")]


def words_of(row: list[str]) -> list[str]:
    """The words of the command in the last cell of a row."""
    (command,) = re.findall(r"`(vae-lab train .*?)`", row[-1])
    return shlex.split(command)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_has_a_row(recipe):
    rows = [row for row in ROWS if f"experiment={recipe}" in words_of(row)]
    assert rows
    assert all(len(row) == 5 and all(row) for row in rows)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_command_of_a_row_names_an_experiment_and_keys_that_exist(row, cli, tmp_path):
    words = words_of(row)[2:]
    (experiment,) = [word.removeprefix("experiment=") for word in words if word.startswith("experiment=")]
    assert experiment in groups()["experiment"]
    shown = cli("train", *words, "--cfg", "job")
    assert shown.status == 0, shown.err
    assert yaml.safe_load(shown.out)["epochs"] >= 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_cites_its_paper_and_states_its_departures(recipe):
    text = groups()["experiment"][recipe].read_text(encoding="utf-8")
    assert re.search(r"arXiv \d{4}\.\d{5}|arXiv \d{4}\.\d{4}|openreview|paper/burda_2016|pyro-ppl", text)
    assert "Departure" in text or "departures" in text


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_short_version_in_the_file_of_a_recipe_is_that_of_its_row(recipe):
    text = groups()["experiment"][recipe].read_text(encoding="utf-8")
    ((seconds, first, more),) = re.findall(
        r"^# Short version \((\d+) seconds, docs/results.md\): (.*)\n((?:#   .*\n)*)", text, re.MULTILINE
    )
    (row,) = [row for row in ROWS if row[0] == "the same, short" and f"experiment={recipe}" in words_of(row)]
    assert f", {seconds} seconds of one core" in row[3]
    assert [*first.split(), *more.replace("#", "").split(), "figures=none", "logger=none"] == words_of(row)[3:]
