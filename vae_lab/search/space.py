"""Translates between the keys that vary and Optuna: keys to distributions, drawn values to words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from vae_lab.config.varied import Varied
from vae_lab.errors import UserError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def distributions(varied: Sequence[Varied]) -> "dict[str, BaseDistribution]":
    """Return Optuna's distribution for each key.

    Raises:
        UserError: nothing varies, an interval is empty, or a logarithmic scale includes 0.
    """
    if not varied:
        raise UserError("search=optuna: nothing varies; type lr=tag(log,interval(1e-4,1e-2)) or model=cnn,dense")
    return {entry.key: _distribution(entry) for entry in varied}


def _distribution(varied: Varied) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if varied.span is None:
        return CategoricalDistribution(list(dict.fromkeys(varied.values)))
    key, (low, high) = varied.key, varied.span
    if not low < high:
        raise UserError(f"{key}: {low:g} to {high:g} is empty; type {key}=interval(<low>,<high>)")
    if varied.log and low <= 0:
        raise UserError(f"{key}: a logarithmic scale starts above 0; type {key}=tag(log,interval(1e-3,{high:g}))")
    if varied.whole:
        return IntDistribution(round(low), round(high), log=varied.log)
    return FloatDistribution(low, high, log=varied.log)


def words_of(params: Mapping[str, object], order: Iterable[str]) -> list[str]:
    """Return the words that set exactly these values.

    Args:
        params: key -> value.
        order: the keys, in the order in which the user typed them.
    """
    return [f"{key}={_typed(params[key])}" for key in order]


def _typed(value: object) -> str:
    """Return ``0.05`` for 0.05 and ``3`` for 3.0; all digits where four significant ones are not exact."""
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.4g}"
    return short if float(short) == value else repr(value)
