import numpy as np
import pytest

from vae_lab.data.array_factors import factor_grid
from vae_lab.errors import UserError

SIZES = (2, 3, 4)
GRID = np.stack(np.unravel_index(np.arange(24), SIZES), 1)


def refusal(values, names=None, count=24) -> str:
    with pytest.raises(UserError) as told:
        factor_grid(np.asarray(values), names, count, "factors=f")
    return str(told.value)


def test_a_grid_in_order_needs_no_order():
    grid = factor_grid(GRID, ["shape", "x", "y"], 24, "factors=f")
    assert (grid.names, grid.sizes, grid.order) == (("shape", "x", "y"), SIZES, None)


def test_a_shuffled_grid_gives_the_image_of_each_combination():
    shuffled = np.random.default_rng(0).permutation(24)
    grid = factor_grid(GRID[shuffled], None, 24, "factors=f")
    assert np.array_equal(GRID[shuffled][grid.order], GRID)
    assert grid.names == ("factor 1", "factor 2", "factor 3")


def test_values_count_by_their_order_and_constant_factors_are_left_out():
    values = np.column_stack([np.full(24, 7.0), np.array([0.5, 0.1])[GRID[:, 0]], GRID[:, 1] * -3, GRID[:, 2]])
    grid = factor_grid(values, ["colour", "a", "b", "c"], 24, "factors=f")
    assert (grid.names, grid.sizes) == (("a", "b", "c"), SIZES)
    assert np.array_equal(values[grid.order, 1], np.repeat([0.1, 0.5], 12))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (GRID[:-1], "23 × 3 values"),
        (GRID[:, 0], "24 values of int64; 24 × F numbers are needed"),
        (np.full((24, 3), "a"), "24 × F numbers are needed"),
        (np.zeros((24, 2)), "no column with more than one value"),
        (np.vstack([GRID[:-1], GRID[:1]]), "2 × 3 × 4 = 24 combinations of values; 24 images show 23 of them"),
        (np.vstack([GRID[:12], GRID[:12]]), "24 images show 12 of them"),
        (np.random.default_rng(0).random((24, 12)), "24 images show 24 of them; leave factors out"),
    ],
)
def test_what_is_no_complete_grid_is_refused(values, told):
    assert told in refusal(values)


def test_names_must_be_as_many_as_columns():
    assert "has 2 names, and factors=f 3 columns" in refusal(GRID, ["a", "b"])
