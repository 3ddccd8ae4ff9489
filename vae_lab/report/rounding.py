"""Numbers as text: a value with an error is rounded to the digits that the error leaves meaningful."""

import math

_DIGITS = 6  # most significant digits of a value, however small its error is


def with_error(value: float, error: float | None) -> tuple[str, str]:
    """Return a value and its error as text, both with the same decimals; the error is empty if there is none.

    The error keeps two digits if its first three are between 100 and 354, else one (Particle Data Group 2024, Review
    of Particle Physics, section 5.3 of the introduction): 12.5 ± 0.7, 12.34 ± 0.12.
    """
    if error is None:
        return plain(value), ""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return plain(value), f"{error:.2g}"
    decimals = _decimals(error)
    most = _DIGITS - 1 - (_exponent(value) if value else 0)
    if decimals > most:  # the error is below the digits that are shown
        return _fixed(value, most), f"{error:.1g}"
    return _fixed(value, decimals), _fixed(error, decimals)


def plain(value: float) -> str:
    """Return a number with four significant digits, without decimals if it is whole or rounds to 1000 or more.

    Zeros at the end are kept, because they are digits, too.

    >>> plain(-100.98), plain(3), plain(1234.5)
    ('-101.0', '3', '1234')
    """
    if not math.isfinite(value) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.4g}" if value == round(value) else f"{value:#.4g}".removesuffix(".")


def _decimals(error: float) -> int:
    """The decimals that an error leaves; negative where it exceeds ten."""
    exponent = _exponent(error)
    three = round(error / 10.0 ** (exponent - 2)) if exponent > -300 else 100
    digits = 2 if three < 355 or three >= 950 else 1
    return digits - 1 - exponent - (three >= 950)


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _fixed(value: float, decimals: int) -> str:
    """A value with a number of decimals; in scientific notation where zeros would fill its place."""
    rounded = round(value, decimals)
    if 1e-5 <= abs(value) < 1e7 or not value:
        return f"{rounded:.{max(decimals, 0)}f}"
    return f"{rounded:.{max(decimals + _exponent(value), 0)}e}"
