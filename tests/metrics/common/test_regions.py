import numpy as np
import pytest

from vae_lab.metrics.common.regions import region_overlap


def masks() -> np.ndarray:
    """Two images of 10×10: a defect of 16 pixels and one of a single pixel in the first, none in the second."""
    made = np.zeros((2, 10, 10), bool)
    made[0, :4, :4] = made[0, 9, 9] = True
    return made


def test_a_perfect_map_has_the_whole_area():
    assert region_overlap(masks() * 1.0, masks()) == pytest.approx(1)


def test_a_map_of_equal_errors_is_blind():
    assert region_overlap(np.zeros((2, 10, 10)), masks()) == pytest.approx(0.15)


def test_a_reversed_map_finds_nothing():
    assert region_overlap(-1.0 * masks(), masks()) == pytest.approx(0)


def test_a_small_defect_counts_as_much_as_a_large_one():
    only_large, only_small = masks() * 1.0, masks() * 1.0
    only_large[0, 9, 9] = only_small[0, :4, :4] = 0
    # one of two defects at once, then the straight line to (1, 1): ½ + ½ · FPR, whose mean up to 0.3 is 0.575
    assert region_overlap(only_large, masks()) == pytest.approx(0.575)
    assert region_overlap(only_small, masks()) == pytest.approx(0.575)


def test_pixels_that_touch_at_a_corner_are_one_defect():
    touching = np.zeros((1, 4, 4), bool)
    touching[0, 0, 0] = touching[0, 1, 1] = touching[0, 3, 3] = True
    found = np.zeros((1, 4, 4))
    found[0, 3, 3] = 1
    assert region_overlap(found, touching) == pytest.approx(0.5 + 0.5 * 0.15)  # one of two, not of three


def test_it_is_the_definition_with_a_threshold_at_every_error():
    rng = np.random.default_rng(0)
    made = masks()
    errors = rng.random((2, 10, 10)) + 0.5 * made
    points = [(0.0, 0.0)]
    for at in np.sort(errors.ravel())[::-1]:
        above = errors >= at
        overlap = [above[0, :4, :4].mean(), above[0, 9, 9]]
        points.append((above[~made].mean(), np.mean(overlap)))
    x, y = np.array(points).T
    x, y = np.append(x[x <= 0.3], 0.3), np.append(y[x <= 0.3], np.interp(0.3, x, y))
    assert region_overlap(errors, made) == pytest.approx(np.trapezoid(y, x) / 0.3)
