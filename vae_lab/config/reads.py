"""Which groups and numbers of the config a model reads, and the refusal of choices that it would ignore.

A model reads what its constructor has a parameter for: ``latent_dim``, ``posterior``, ``prior``,
``quantizer``, ``conditional``.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

import yaml
from omegaconf import OmegaConf

from vae_lab.config.conf import CONF
from vae_lab.config.node import Node
from vae_lab.config.renamed import current
from vae_lab.config.trust import locate
from vae_lab.errors import UserError

KEYS = ("latent_dim", "posterior", "prior", "quantizer", "conditional")


@cache
def default_of(key: str) -> Any:
    """The default of a number or a group, as ``conf/train.yaml`` has it."""
    primary = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    groups = [entry for entry in primary["defaults"] if isinstance(entry, dict)]
    return primary[key] if key in primary else next(entry[key] for entry in groups if key in entry)


@cache
def settings_of(group: str, option: str) -> Mapping[str, Any]:
    """The settings of an option as its YAML file has them, with references; empty for an option without a file."""
    path = CONF / group / f"{option}.yaml"
    return cast(Node, OmegaConf.to_container(OmegaConf.load(path))) if path.exists() else {}


def model_reads(config: Mapping[str, Any], key: str) -> bool:
    """Whether the constructor of the config's model has a parameter of that name."""
    return key in parameters_of(config["model"]["_target_"])


def parameters_of(target: str) -> Mapping[str, inspect.Parameter]:
    """The parameters of the class or function that a ``_target_`` names."""
    return inspect.signature(locate(target)).parameters


def kinds_accepted(node: object) -> Sequence[str]:
    """The kinds of values that the class of a node declares in ``takes``; empty where it declares none."""
    if not isinstance(node, Mapping) or "_target_" not in node:
        return ()
    return tuple(getattr(locate(current(node)["_target_"]), "takes", ()))


def accepted(target: str, about: Node) -> Node:
    """The entries of ``about`` that the constructor of ``target`` has a parameter for."""
    parameters = parameters_of(target)
    return {key: value for key, value in about.items() if key in parameters}


def chosen(config: Mapping[str, Any], key: str) -> Any:
    """The value of a number, or the name of a group's option; None where an earlier config does not say."""
    return config.get(key) if key in ("latent_dim", "conditional") else config.get("choices", {}).get(key)


def refuse_what_is_not_read(config: Node) -> None:
    """Refuse a number or an option that was chosen for a model that does not read it.

    Raises:
        UserError: names the choice and the model.
    """
    for key in KEYS:
        value = chosen(config, key)
        if value not in (None, default_of(key)) and not model_reads(config, key):
            typed = str(value).lower() if isinstance(value, bool) else value
            raise UserError(f"{key}={typed}: model={name_of(config, 'model')} does not read {key}; leave it out")


def name_of(config: Mapping[str, Any], group: str) -> str:
    """The option of a group that was chosen, or the class where an earlier config does not say."""
    return str(config.get("choices", {}).get(group) or config[group]["_target_"].rpartition(".")[2])
