"""The type of a config node, and how messages show its values."""

from typing import Any

Node = dict[str, Any]  # a mapping of a resolved config: keys to YAML's plain values


def shown(value: object) -> str:
    """Return a value as messages show it: ``null`` for None, as in YAML."""
    return "null" if value is None else str(value)
