"""What differs between runs, each thing once and under the name a person would type."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vae_lab.compare.reading import Record

MISSING = None  # the run has no such setting
_WEIGHTS = ("beta", "k1", "k2")
# Where a run lies, what is watched and how it is scored say nothing of the model; protocols are told with the scores.
_BESIDE = {"seed", "data_dir", "resume", "logger", "figures", "metrics", "features", "experiment", "choices"}
_BESIDE_KEYS = {"accelerator.kind", "accelerator.devices", "accelerator.strategy", "training.log_every"}


@dataclass(frozen=True)
class Setting:
    """One thing that differs, with its value in every run."""

    name: str
    values: tuple[Any, ...]
    derived: bool = False  # computed from others: an axis, but no column

    @property
    def distinct(self) -> list[Any]:
        """Its values, numbers in their order."""
        return sorted({value for value in self.values if value is not MISSING}, key=ordered)

    @property
    def numeric(self) -> bool:
        """Whether it can be an axis."""
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.distinct)


def ordered(value: Any) -> tuple[int, float, str]:
    """A key that sorts anything: nothing, then numbers, then words."""
    if value is MISSING:
        return (0, 0.0, "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (1, float(value), "")
    return (2, 0.0, str(value))


def shown(value: Any) -> str:
    """A value as in an override."""
    if value is MISSING:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, int | float) else str(value)


def differing(records: Sequence[Record]) -> list[Setting]:
    """Settings with at least two values among the runs that have them (null is one); the seed is not among them."""
    configs = [record.config for record in records if record.config]
    flat = [dict(_flattened(config)) for config in configs]
    groups = list(dict.fromkeys(g for config in configs for g in _groups(config) if g not in _BESIDE))
    options = {group: [_option(config, group) for config in configs] for group in groups}
    named = {group: options[group] for group in groups if _count(options[group]) > 1}
    keys = [key for key in dict.fromkeys(key for found in flat for key in found) if key not in _BESIDE_KEYS]
    columns = {key: [found.get(key, MISSING) for found in flat] for key in keys}
    for key in keys:
        group = key.partition(".")[0]
        if group in _BESIDE or key in named or not _varies(columns[key], named.get(group)):
            continue
        if not _repeats(key, columns):
            named[key] = columns[key]
    if "images" in keys and _count(columns["images"]) == 1 and MISSING in columns["images"]:
        named["images"] = columns["images"]  # scored images beside trained runs
    _settle_weights(named, configs)
    _name_experiments(named, [_option(config, "experiment") for config in configs])
    places = iter(range(len(configs)))
    place = [next(places) if record.config else None for record in records]
    return [Setting(name, tuple(MISSING if i is None else values[i] for i in place)) for name, values in _sorted(named)]


def axes(settings: Sequence[Setting]) -> list[Setting]:
    """The numeric ones, and the share of reconstruction where k1 + k2 is the same in all runs."""
    found = [setting for setting in settings if setting.numeric]
    k1, k2 = ({s.name: s for s in settings}.get(name) for name in ("k1", "k2"))
    if k1 and k2:
        pairs = [(a, b) for a, b in zip(k1.values, k2.values)]
        sums = {round(a + b, 9) for a, b in pairs if a is not MISSING and b is not MISSING}
        if len(sums) == 1 and sums != {0}:
            share = tuple(MISSING if a is MISSING or b is MISSING else round(a / (a + b), 9) for a, b in pairs)
            found.insert(0, Setting("k1/(k1+k2)", share, derived=True))
    return found


def others(axis: Sequence[Setting], settings: Sequence[Setting]) -> list[Setting]:
    """Settings that vary beside the axes: not those that follow from one of them (k2 = 1 − k1)."""
    return [s for s in settings if s not in axis and not any(_follows(s, a) for a in axis)]


def _follows(setting: Setting, axis: Setting) -> bool:
    """Whether one is a straight line over the other; mere one-to-one is chance in a search, where all values differ."""
    pairs = sorted({(a, b) for a, b in zip(axis.values, setting.values) if a is not MISSING and b is not MISSING})
    whole = all((a is MISSING) == (b is MISSING) for a, b in zip(axis.values, setting.values))
    if not (whole and setting.numeric and axis.numeric and len(pairs) > 1):
        return False
    if not len(pairs) == len(axis.distinct) == len(setting.distinct):
        return False
    (x0, y0), (x1, y1) = pairs[0], pairs[-1]
    return all(math.isclose((y - y0) * (x1 - x0), (x - x0) * (y1 - y0), rel_tol=1e-6) for x, y in pairs)


def _flattened(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, dict):
            yield from _flattened(value, name)
        elif not str(key).startswith("_"):
            yield name, "null" if value is None else str(value) if isinstance(value, list) else value


def _groups(config: dict[str, Any]) -> list[str]:
    chosen = config.get("choices")
    return list(chosen)[::-1] if isinstance(chosen, dict) and chosen else [k for k in config if _target(config, k)]


def _option(config: dict[str, Any], group: str) -> Any:
    """What the group was set to: by its name, or by its class where the config does not say."""
    chosen = config.get("choices")
    name = chosen.get(group) if isinstance(chosen, dict) else None
    return str(name) if name else _target(config, group)


def _target(config: dict[str, Any], group: str) -> Any:
    node = config.get(group)
    return str(node["_target_"]).rpartition(".")[2] if isinstance(node, dict) and node.get("_target_") else MISSING


def _count(values: Sequence[Any]) -> int:
    return len({value for value in values if value is not MISSING})


def _varies(values: Sequence[Any], options: Sequence[Any] | None) -> bool:
    """Where options of the group differ, a number inside counts only if it differs within one of them."""
    if options is None:
        return _count(values) > 1
    return any(_count([v for v, o in zip(values, options) if o == option]) > 1 for option in set(options))


def _repeats(key: str, columns: dict[str, list[Any]]) -> bool:
    """Whether the config only repeats a number that stands higher up: optimizer.lr is lr, T_max is epochs."""
    last = key.rpartition(".")[2]
    depth = key.count(".")
    higher = [
        other
        for other in columns
        if other.count(".") < depth and (other.rpartition(".")[2] == last or other == "epochs")
    ]
    return any(
        all(a == b for a, b in zip(columns[key], columns[other]) if a is not MISSING)
        for other in higher
        if _count(columns[key]) > 1
    )


def _settle_weights(named: dict[str, list[Any]], configs: list[dict[str, Any]]) -> None:
    """``beta`` where k1 is 1 throughout, else k1 and k2; an objective without a KL term has none of them."""
    weighs = [isinstance(config.get("objective"), dict) and "k2" in config["objective"] for config in configs]
    weights = {key: [_weight(c, key) if w else MISSING for c, w in zip(configs, weighs)] for key in _WEIGHTS}
    idle = ("k1", "k2") if set(weights["k1"]) <= {1, MISSING} else ("beta",)
    for key in _WEIGHTS:
        named.pop(key, None)
        if key not in idle and _count(weights[key]) > 1:
            named[key] = weights[key]


def _name_experiments(named: dict[str, list[Any]], experiments: list[Any]) -> None:
    """Runs of several experiments are told apart by these names, instead of by what each experiment sets.

    Numbers alone stay as they are: they are axes.
    """
    follow = [key for key, values in named.items() if not _varies(values, experiments)]
    numbers = all(isinstance(v, int | float) or v is MISSING for key in follow for v in named[key])
    if MISSING in experiments or _count(experiments) < 2 or numbers:
        return
    for key in follow:
        del named[key]
    named["experiment"] = experiments


def _weight(config: dict[str, Any], key: str) -> float | None:
    value = config.get(key)
    return value if isinstance(value, int | float) else MISSING


_FIRST = (
    "experiment",
    "dataset",
    "images",
    "model",
    "objective",
    "likelihood",
    "latent_dim",
    "beta",
    "k1",
    "k2",
    "beta_schedule",
)


def _sorted(named: dict[str, list[Any]]) -> list[tuple[str, list[Any]]]:
    """What a model is, then how it was trained, then what lies deeper."""
    order = {name: i for i, name in enumerate(_FIRST)}
    return sorted(named.items(), key=lambda item: (order.get(item[0], len(order)), item[0].count("."), item[0]))
