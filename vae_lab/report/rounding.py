"""Numbers as text for people: rounded to the digits that an error leaves meaningful, with the minus sign U+2212."""

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
        return plain(value), minus(f"{error:.2g}")
    decimals = _decimals(error)
    most = _DIGITS - 1 - (_exponent(value) if value else 0)
    if decimals > most:  # the error is below the digits that are shown
        return _fixed(value, most), minus(f"{error:.1g}")
    return _fixed(value, decimals), _fixed(error, decimals)


def plain(value: float, digits: int = 4) -> str:
    """Return a number with that many significant digits, zeros included; without decimals if whole or from 1000 on.

    >>> plain(1.41), plain(12), plain(-497.04), plain(0.8379, digits=3)
    ('1.410', '12', '−497.0', '0.838')
    """
    if not math.isfinite(value):
        return minus(str(value))
    if abs(value) >= 1000 or value == round(value):
        return minus(f"{value:.0f}")
    return minus(f"{value:#.{digits}g}".removesuffix("."))


def minus(text: str) -> str:
    """Return a number as text with the minus sign instead of the hyphen that a computer reads."""
    return text.replace("-", "\N{MINUS SIGN}")


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
        return minus(f"{rounded:.{max(decimals, 0)}f}")
    return minus(f"{rounded:.{max(decimals + _exponent(value), 0)}e}")
