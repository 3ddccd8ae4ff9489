"""Sets values in a composed config and resolves its references, for the many jobs of a sweep.

OmegaConf takes 15 ms to copy and to resolve a config, and its parsers most of it. Nearly all configs have only
references of the form ``${key.of.another}``; for these, plain mappings give the same result in 0.1 ms.
"""

import re
from collections.abc import Mapping

from vae_lab.config.node import Node

_REFERENCE = re.compile(r"\$\{([\w.]+)\}", re.ASCII)


class NotPlain(Exception):
    """OmegaConf is needed: a config has a missing value or calls a function, or a word does not set a single value."""


def with_values(raw: Node, values: Mapping[str, object]) -> Node:
    """Return a copy of an unresolved config in which single values, whose keys it has, are replaced.

    Raises:
        NotPlain: a key is unknown or holds several values, or a new value is not a single one.
    """
    copy = dict(raw)
    for path, value in values.items():
        *parents, key = path.split(".")
        node = copy
        for parent in parents:
            inner = node.get(parent)
            if not isinstance(inner, dict):
                raise NotPlain
            node[parent] = node = dict(inner)
        if key not in node or isinstance(node[key], dict | list) or isinstance(value, dict | list):
            raise NotPlain
        node[key] = value
    return copy


def resolved(node: object, config: Node) -> object:
    """Return a copy of a part of a config with every reference replaced by what it refers to.

    Raises:
        NotPlain: a reference is relative, refers to nothing or calls a function, or a value is missing.
    """
    if isinstance(node, dict):
        return {key: resolved(value, config) for key, value in node.items()}
    if isinstance(node, list):
        return [resolved(value, config) for value in node]
    if not isinstance(node, str) or not ("${" in node or node == "???"):
        return node
    reference = _REFERENCE.fullmatch(node)
    if not reference:
        raise NotPlain
    try:
        return resolved(_at(reference.group(1), config), config)
    except RecursionError as why:
        raise NotPlain from why


def _at(path: str, config: Node) -> object:
    node: object = config
    for key in path.split("."):
        if not isinstance(node, dict) or key not in node:
            raise NotPlain
        node = node[key]
    return node
