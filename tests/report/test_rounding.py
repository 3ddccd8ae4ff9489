import pytest

from vae_lab.report.rounding import plain, with_error


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (12.5, 0.7071, ("12.5", "0.7")),
        (12.5, 0.123, ("12.50", "0.12")),
        (12.5, 0.355, ("12.5", "0.4")),
        (12.5, 0.354, ("12.50", "0.35")),
        (12.5, 0.0951, ("12.50", "0.10")),
        (12.5, 9.6, ("12", "10")),
        (1234.5, 87.0, ("1230", "90")),
        (-500.76, 0.07, ("−500.76", "0.07")),
        (0.0, 0.02, ("0.000", "0.020")),
        (98.7654321, 1e-9, ("98.7654", "1e−09")),
        (2.0, 0.0, ("2", "0")),
        (12.3456, None, ("12.35", "")),
        (123456.0, None, ("123456", "")),
        (float("nan"), 1.0, ("nan", "1")),
        (1.0, float("inf"), ("1", "inf")),
        (1.5e9, 2e7, ("1.500e+09", "2.0e+07")),
        (3.21e-7, 4e-8, ("3.2e−07", "4e−08")),
        (1e308, 1e308, ("1.0e+308", "1.0e+308")),
    ],
)
def test_a_value_has_the_digits_that_its_error_leaves(value, error, shown):
    assert with_error(value, error) == shown


def test_a_number_without_an_error_has_four_digits():
    assert [plain(v) for v in (0.123456, 12.3456, 999.94, 1234.5)] == ["0.1235", "12.35", "999.9", "1234"]


def test_zeros_at_the_end_are_kept_unless_the_number_is_whole():
    assert [plain(v) for v in (1.41, -497.04, 0.5, 999.96, 12.0, 0.0)] == [
        "1.410",
        "−497.0",
        "0.5000",
        "1000",
        "12",
        "0",
    ]
    assert plain(0.8379, digits=3) == "0.838"
