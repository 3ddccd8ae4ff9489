"""Composes the config of a combination from options that Hydra has composed once, each alone, and makes them small."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from omegaconf import OmegaConf

from vae_lab.config.composing import composer
from vae_lab.config.node import Node
from vae_lab.config.reads import model_reads
from vae_lab.config.references import NotPlain, resolved
from vae_lab.config.settings import SweepConfig
from vae_lab.config.weights import WEIGHTS, has_kl_weight, resolve_weights

if TYPE_CHECKING:
    from combinations.options import Cell

BASE = [
    *("dataset=digits", "likelihood=mse", "dataset.limit=16", "batch_size=8", "epochs=1", "accelerator=cpu"),
    *("logger=none", "metrics=none", "figures=none", "compile=false"),
]
SMALL: dict[str, int] = {
    **dict.fromkeys(("width", "hidden", "encoder", "decoder", "widths", "channels"), 8),
    **{"depth": 1, "blocks": 1, "layers": 2, "components": 3, "pseudo_inputs": 3, "samples": 2, "heads": 2},
}
"""The largest value of settings of these names, and of the numbers in their lists."""


@cache
def raw(*words: str) -> Node:
    """The config that words compose on top of :data:`BASE`, with its references, and with ``choices``."""
    with composer(BASE) as compose:
        _, plain, choices = compose.raw(words)
    of_others = (*SweepConfig.model_fields, "trust")
    return {key: value for key, value in plain.items() if key not in of_others} | {"choices": choices}


@cache
def model_node(model: str) -> Node:
    """The node of a model, as its YAML file has it."""
    return cast(Node, raw(f"model={model}")["model"])


def config_of(cell: "Cell") -> Node:
    """The resolved config of a combination, with small networks."""
    config = dict(raw(f"model={cell.model}"))
    choices = dict(config["choices"])
    for group in ("objective", "likelihood", "posterior", "prior", "quantizer"):
        words = f"{group}={getattr(cell, group)}".split()
        config[group], choices[group] = raw(*words)[group], words[0].partition("=")[2]
    config |= {group: smaller(config[group]) for group in ("model", "objective", "posterior", "prior")}
    config |= {"conditional": cell.conditional, "choices": choices}
    if model_reads(config, "latent_dim"):
        config["latent_dim"] = 3
    weights = {key: config.get(key) for key in WEIGHTS}
    config |= resolve_weights(weights, set(), weighs_kl=has_kl_weight(config["objective"]))
    try:
        return cast(Node, resolved(config, config))
    except NotPlain:
        return cast(Node, OmegaConf.to_container(OmegaConf.create(config), resolve=True))


def smaller(node: Any, key: str = "", most: Mapping[str, int] = SMALL) -> Any:
    """A copy of a node in which numbers of these names are at most so large."""
    if isinstance(node, dict):
        return {name: smaller(value, name, most) for name, value in node.items()}
    if key in most and isinstance(node, list):
        return [smaller(value, key, most) for value in node]
    return min(node, most[key]) if key in most and type(node) is int else node
