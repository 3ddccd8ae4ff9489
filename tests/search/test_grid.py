"""Tests that a grid tries every combination and that its last key varies fastest."""

import pytest

from vae_lab.config.varied import Varied
from vae_lab.errors import UserError
from vae_lab.search.grid import Grid

AB = [Varied("a", ["1", "2"]), Varied("b", ["x", "y", "z"])]


def test_all_combinations_are_known_from_the_start(tmp_path):
    total, jobs = Grid().plan(AB)
    assert total == len(jobs) == 6
    assert jobs[:2] == [["a=1", "b=x"], ["a=1", "b=y"]]
    assert list(Grid()(AB, tmp_path, 1)) == [jobs]


def test_nothing_that_varies_is_one_job():
    assert Grid().plan([]) == (1, [[]])


def test_an_interval_is_refused():
    with pytest.raises(UserError, match="search=optuna"):
        Grid().plan([Varied("beta", [], (0.1, 10))])
