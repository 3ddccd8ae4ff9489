"""What varies as Optuna's distributions, and its draws as words."""

from collections.abc import Mapping, Sequence
from typing import Any

from vae_lab.config.varied import Varied
from vae_lab.errors import UserError


def distributions(varied: Sequence[Varied]) -> dict[str, Any]:
    """One distribution per key.

    Raises:
        UserError: nothing varies, an interval is empty, or 0 lies on a logarithmic scale.
    """
    if not varied:
        raise UserError("search=optuna: nothing varies; type lr=tag(log,interval(1e-4,1e-2)) or model=cnn,dense")
    return {one.key: _distribution(one) for one in varied}


def _distribution(one: Varied) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if one.span is None:
        return CategoricalDistribution(list(dict.fromkeys(one.values)))
    low, high = one.span
    if not low < high:
        raise UserError(f"{one.key}: {low:g} to {high:g} is empty; type {one.key}=interval(<low>,<high>)")
    if one.log and low <= 0:
        raise UserError(f"{one.key}: a logarithmic scale starts above 0; type tag(log,interval(1e-3,{high:g}))")
    if one.whole:
        return IntDistribution(round(low), round(high), log=one.log)
    return FloatDistribution(low, high, log=one.log)


def words_of(params: Mapping[str, Any], order: Mapping[str, Any]) -> list[str]:
    """The words that give exactly these values, in the order in which the keys were typed."""
    return [f"{key}={_typed(params[key])}" for key in order]


def _typed(value: Any) -> str:
    """``0.05`` for 0.05, ``3`` for 3.0; all digits where four are not enough."""
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.4g}"
    return short if float(short) == value else repr(value)
