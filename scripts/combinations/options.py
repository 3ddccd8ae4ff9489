"""Which combinations of options are tried, read from the files of ``conf/`` and from the constructors that they name.

A new YAML file takes part by itself. A combination has one option of each of the groups in :data:`AXES`, and
``conditional``. Those are left out that are refused for a known reason, or that differ in nothing that matters:

* groups that a model does not read keep their default;
* models of the same class differ in their networks alone, so the full product is tried with one of them, the leader.
  With the others, every objective is tried with every likelihood, every posterior with every prior, and every quantizer
  with every likelihood; and all of them with and without ``conditional``;
* a setting with few values, such as ``objective.gradient=dreg``, is tried with the defaults of the other groups.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, product
from typing import Literal, NamedTuple, get_args, get_origin, get_type_hints

from combinations.composing import model_node, raw
from vae_lab.config.help import groups
from vae_lab.config.reads import default_of, parameters_of
from vae_lab.config.trust import locate

AXES = ("objective", "likelihood", "posterior", "prior", "quantizer")
READ = ("posterior", "prior", "quantizer", "conditional")  # what a model may read or not
LEADERS = ("dense",)  # the quickest model of its class; of other classes, the first in the order of the alphabet


class Cell(NamedTuple):
    """One combination: the option of each group."""

    model: str
    objective: str
    likelihood: str
    posterior: str
    prior: str
    quantizer: str
    conditional: bool

    @property
    def words(self) -> str:
        """What a user types for it, without the defaults."""
        chosen = [f"{group}={option}" for group, option in zip(self._fields, self) if option not in (_default(group),)]
        return " ".join(chosen).replace("True", "true") or "the defaults"


@cache
def _default(group: str) -> object:
    return default_of(group)


@cache
def reads(model: str, group: str) -> bool:
    """Whether a model has a parameter of this name."""
    return group in parameters_of(model_node(model)["_target_"])


def choices(model: str, group: str, settings: bool = False) -> Sequence[object]:
    """The options of a group that are tried with a model, the default first; also with their settings, if asked for."""
    if group in READ and not reads(model, group):
        return [_default(group)]
    if group == "conditional":
        return [False, True]
    return [option for option in variants(group) if settings or " " not in option]


@cache
def variants(group: str) -> list[str]:
    """The options of a group, the default first, and each of them with every other value of a setting that has few.

    These are settings whose annotation is a Literal, such as ``iwae objective.gradient=dreg``.
    """
    default = str(_default(group))
    found = []
    for option in [default, *(option for option in groups()[group] if option != default)]:
        node = raw(f"{group}={option}")[group]
        hints = get_type_hints(locate(node["_target_"]).__init__)
        literals = {key: get_args(hint) for key, hint in hints.items() if get_origin(hint) is Literal}
        found.append(option)
        found += [
            f"{option} {group}.{key}={v}" for key, values in literals.items() for v in values if v != node.get(key)
        ]
    return found


def structures() -> dict[str, list[str]]:
    """The models by their class, the leader of each class first."""
    found: dict[str, list[str]] = {}
    for model in groups()["model"]:
        found.setdefault(model_node(model)["_target_"], []).append(model)
    return {target: sorted(models, key=lambda name: name not in LEADERS) for target, models in found.items()}


def leaders() -> list[str]:
    """One model of each class."""
    return [models[0] for models in structures().values()]


def cells(model: str, full: bool) -> list[Cell]:
    """The combinations with a model, each once: the full product, or the products of two or three groups."""
    several = [product_of(model, axis, "conditional", settings=True) for axis in AXES]
    products = [(*AXES, "conditional")] if full else [AXES[:2], ("posterior", "prior", "conditional"), AXES[1::3]]
    return [*dict.fromkeys(chain(*several, *(product_of(model, *axes) for axes in products)))]


def product_of(model: str, *axes: str, settings: bool = False) -> Iterator[Cell]:
    """Every combination of the options of these groups; the others keep their default."""
    groups_of = (*AXES, "conditional")
    options = [choices(model, group, settings) if group in axes else [_default(group)] for group in groups_of]
    for chosen in product(*options):
        yield Cell(model, *chosen)  # type: ignore[arg-type]


def all_cells(models: Sequence[str] | None = None) -> list[Cell]:
    """The combinations of all models, or of these."""
    first = leaders()
    return [cell for model in models or groups()["model"] for cell in cells(model, model in first)]


def each_option(model: str) -> list[Cell]:
    """A selection in which every option occurs once with a model, with the defaults of the other groups."""
    return [*dict.fromkeys(cell for axis in (*AXES, "conditional") for cell in product_of(model, axis))]
