"""The type of a node of a resolved config: a mapping of plain values, as YAML has them."""

from typing import Any

Node = dict[str, Any]
