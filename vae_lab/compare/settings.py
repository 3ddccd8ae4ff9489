"""The settings that differ between runs, each once and under the name that the user would type."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeGuard

from vae_lab.compare.reading import Record
from vae_lab.config.node import Node
from vae_lab.config.weights import has_kl_weight

Scalar = str | bool | int | float | None  # a value of a setting

MISSING = None  # the run has no such setting; a null in the config is the text "null" instead
_WEIGHTS = ("beta", "k1", "k2")
# Parts of a config that do not change the model: where files are, what is logged, and how the run is scored. The
# protocols of the scores report the last.
_NOT_SETTINGS = {"seed", "data_dir", "classifier", "resume", "continues", "logger", "figures", "metrics", "scores",
                 "features", "experiment", "choices"}  # fmt: skip
_NOT_SETTING_KEYS = {"accelerator.kind", "accelerator.devices", "accelerator.strategy", "training.log_every"}


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is an int or a float; booleans are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Setting:
    """A setting that differs between runs, with its value in every run."""

    name: str
    values: tuple[Scalar, ...]
    derived: bool = False  # computed from other settings: it serves as an axis, but is not a column

    @property
    def distinct(self) -> list[Scalar]:
        """The distinct values without MISSING, sorted."""
        return sorted({value for value in self.values if value is not MISSING}, key=sort_key)

    @property
    def numeric(self) -> bool:
        """Whether all values are numbers, so that the setting can be an axis."""
        return all(is_number(value) for value in self.distinct)

    @cached_property
    def numbers(self) -> tuple[float | None, ...]:
        """The value of every run as a number; None if the run has no value, or one that is not a number."""
        return tuple(value if is_number(value) else None for value in self.values)


def sort_key(value: Scalar) -> tuple[int, float, str]:
    """Return a sort key for values of mixed types: MISSING first, then numbers, then text."""
    if value is MISSING:
        return (0, 0.0, "")
    return (1, float(value), "") if is_number(value) else (2, 0.0, str(value))


def format_setting(value: Scalar) -> str:
    """Return a value as it is typed in an override; a dash for MISSING."""
    if value is MISSING:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, int | float) else str(value)


def differing(records: Sequence[Record]) -> list[Setting]:
    """Return the settings with at least two values among the runs that have them.

    A null in the config counts as a value. The seed is never included.
    """
    configs = [record.config for record in records if record.config]
    flat = [dict(_flattened(config)) for config in configs]
    groups = list(dict.fromkeys(g for config in configs for g in _groups(config) if g not in _NOT_SETTINGS))
    options = {group: [_option(config, group) for config in configs] for group in groups}
    named: dict[str, Sequence[Scalar]] = {group: options[group] for group in groups if _count(options[group]) > 1}
    keys = [key for key in dict.fromkeys(key for config in flat for key in config) if key not in _NOT_SETTING_KEYS]
    columns = {key: [config.get(key, MISSING) for config in flat] for key in keys}
    for key in keys:
        group = key.partition(".")[0]
        if group in _NOT_SETTINGS or key in named or not _varies(columns[key], named.get(group)):
            continue
        if not _repeats(key, columns):
            named[key] = columns[key]
    if "images" in keys and _count(columns["images"]) == 1 and MISSING in columns["images"]:
        named["images"] = columns["images"]  # scores of given images are compared with trained runs
    _settle_weights(named, configs)
    _name_experiments(named, [_option(config, "experiment") for config in configs])
    places = iter(range(len(configs)))
    place = [next(places) if record.config else None for record in records]
    return [Setting(name, tuple(MISSING if i is None else values[i] for i in place)) for name, values in _sorted(named)]


def axes(settings: Sequence[Setting]) -> list[Setting]:
    """Return the numeric settings, preceded by the share of reconstruction if k1 + k2 is the same in all runs."""
    numeric = [setting for setting in settings if setting.numeric]
    k1, k2 = ({s.name: s for s in settings}.get(name) for name in ("k1", "k2"))
    if k1 and k2:
        pairs = list(zip(k1.numbers, k2.numbers))
        sums = {round(a + b, 9) for a, b in pairs if a is not None and b is not None}
        if len(sums) == 1 and sums != {0}:
            share = tuple(MISSING if a is None or b is None else round(a / (a + b), 9) for a, b in pairs)
            numeric.insert(0, Setting("k1/(k1+k2)", share, derived=True))
    return numeric


def others(axis: Sequence[Setting], settings: Sequence[Setting]) -> list[Setting]:
    """Return the settings that vary independently of the axes, without those that follow from one (k2 = 1 − k1)."""
    return [s for s in settings if s not in axis and not any(_is_linear_in(s, a) for a in axis)]


def _is_linear_in(setting: Setting, axis: Setting) -> bool:
    """Whether a setting is a linear function of the axis.

    A one-to-one relation is not enough: in a search all values differ, so that it occurs by chance.
    """
    if not (setting.numeric and axis.numeric):
        return False
    values = list(zip(axis.numbers, setting.numbers))
    if any((a is None) != (b is None) for a, b in values):
        return False
    pairs = sorted({(a, b) for a, b in values if a is not None and b is not None})
    if not 1 < len(pairs) == len(axis.distinct) == len(setting.distinct):
        return False
    (x0, y0), (x1, y1) = pairs[0], pairs[-1]
    return all(math.isclose((y - y0) * (x1 - x0), (x - x0) * (y1 - y0), rel_tol=1e-6) for x, y in pairs)


def _flattened(node: Node, path: str = "") -> Iterator[tuple[str, Scalar]]:
    for key, value in node.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, dict):
            yield from _flattened(value, name)
        elif not str(key).startswith("_"):
            yield name, Path(value).name if name == "init" and isinstance(value, str) else _scalar(value)


def _scalar(value: object) -> Scalar:
    """A config's value as the value of a setting; null becomes text, because None stands for MISSING."""
    if value is None:
        return "null"
    return value if isinstance(value, str | int | float) else str(value)


def _groups(config: Node) -> list[str]:
    chosen = config.get("choices")
    return list(chosen)[::-1] if isinstance(chosen, dict) and chosen else [k for k in config if _target(config, k)]


def _option(config: Node, group: str) -> str | None:
    """The option chosen for a group: its name, or its class if the config does not record the name."""
    chosen = config.get("choices")
    name = chosen.get(group) if isinstance(chosen, dict) else None
    return str(name) if name else _target(config, group)


def _target(config: Node, group: str) -> str | None:
    node = config.get(group)
    return str(node["_target_"]).rpartition(".")[2] if isinstance(node, dict) and node.get("_target_") else MISSING


def _count(values: Sequence[Scalar]) -> int:
    return len({value for value in values if value is not MISSING})


def _varies(values: Sequence[Scalar], options: Sequence[Scalar] | None) -> bool:
    """Whether the values differ; if the group's options differ, whether they differ among runs of one option."""
    if options is None:
        return _count(values) > 1
    return any(_count([v for v, o in zip(values, options) if o == option]) > 1 for option in set(options))


def _repeats(key: str, columns: dict[str, list[Scalar]]) -> bool:
    """Whether a key only repeats a key that is less deeply nested: optimizer.lr repeats lr, T_max repeats epochs."""
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


def _settle_weights(named: dict[str, Sequence[Scalar]], configs: list[Node]) -> None:
    """Name the loss weights ``beta`` if k1 is 1 in every run, else k1 and k2.

    A run whose objective has no KL term has none of these settings.
    """
    weighs = [has_kl_weight(config.get("objective")) for config in configs]
    weights = {key: [_weight(c, key) if w else MISSING for c, w in zip(configs, weighs)] for key in _WEIGHTS}
    idle = ("k1", "k2") if set(weights["k1"]) <= {1, MISSING} else ("beta",)
    for key in _WEIGHTS:
        named.pop(key, None)
        if key not in idle and _count(weights[key]) > 1:
            named[key] = weights[key]


def _name_experiments(named: dict[str, Sequence[Scalar]], experiments: list[str | None]) -> None:
    """Distinguish runs of several experiments by the experiments' names instead of the settings that these change.

    If the experiments change only numbers, the numbers are kept, because they are axes.
    """
    follow = [key for key, values in named.items() if not _varies(values, experiments)]
    numbers = all(isinstance(v, int | float) or v is MISSING for key in follow for v in named[key])
    if MISSING in experiments or _count(experiments) < 2 or numbers:
        return
    for key in follow:
        del named[key]
    named["experiment"] = experiments


def _weight(config: Node, key: str) -> float | None:
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


def _sorted(named: dict[str, Sequence[Scalar]]) -> list[tuple[str, Sequence[Scalar]]]:
    """Settings that define the model come first, then top-level settings, then nested ones."""
    order = {name: i for i, name in enumerate(_FIRST)}
    return sorted(named.items(), key=lambda item: (order.get(item[0], len(order)), item[0].count("."), item[0]))
