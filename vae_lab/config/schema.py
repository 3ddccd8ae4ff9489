"""Checks configs: unknown keys, wrong types and values out of range are refused before anything starts.

Top-level settings are fields of the classes in :mod:`vae_lab.config.settings`. The YAML of a group is checked against
the constructor that its ``_target_`` names: the parameters are the keys, and their annotations give the types and
ranges.
"""

import inspect
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from vae_lab.config.node import Node, shown
from vae_lab.config.parts import check_parts, reason
from vae_lab.config.settings import (
    CompareConfig,
    EvaluateConfig,
    FiguresConfig,
    ListConfig,
    SampleConfig,
    ScoreConfig,
    Settings,
    TrainConfig,
)
from vae_lab.config.settings_of_use import (
    DecodeConfig,
    DetectConfig,
    EncodeConfig,
    ExploreConfig,
    InterpolateConfig,
    ReconstructConfig,
)
from vae_lab.errors import UserError, did_you_mean

SCHEMAS: dict[str, type[Settings]] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "figures": FiguresConfig,
    "sample": SampleConfig,
    "encode": EncodeConfig,
    "decode": DecodeConfig,
    "reconstruct": ReconstructConfig,
    "interpolate": InterpolateConfig,
    "detect": DetectConfig,
    "score": ScoreConfig,
    "explore": ExploreConfig,
    "compare": CompareConfig,
    "list": ListConfig,
}
SchemaT = TypeVar("SchemaT", bound=Settings)


def check(schema: type[SchemaT], config: Node) -> SchemaT:
    """Check a config against a schema and return it as an object of that class.

    Raises:
        UserError: the config is not valid; the message names the key, what is wrong with it and what to type.
    """
    settings = check_settings(schema, config)
    check_parts(config)
    return settings


def check_settings(schema: type[SchemaT], config: Node) -> SchemaT:
    """Check the settings of a config as :func:`check` does, but not the options of its groups.

    Their classes, and with them torch, are therefore not imported.

    Raises:
        UserError: as in :func:`check`.
    """
    try:
        return schema.model_validate(config)
    except ValidationError as error:
        raise UserError(_first_problem(error, schema, config)) from error


def _first_problem(error: ValidationError, schema: type[BaseModel], config: Node) -> str:
    first, *others = error.errors()
    # A value of several possible types has one problem per type. The longest place is of the type that fits best.
    problem = max(
        [first, *(one for one in others if one["loc"][0] == first["loc"][0])], key=lambda one: len(one["loc"])
    )
    path = ".".join(str(part) for part in problem["loc"] if problem["type"] == "extra_forbidden" or _is_key(part))
    if problem["type"] == "extra_forbidden":
        known = _known_keys(schema, [str(part) for part in problem["loc"][:-1]])
        return f"{path}: no such key{did_you_mean(str(problem['loc'][-1]), known)}; known: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{path} is missing; type {path}=…"
    return f"{path}={shown(problem['input'])}: {reason(problem)}{_advice(schema, path)}"


def _is_key(part: str | int) -> bool:
    """Whether a part of a place is a key or an index, and not pydantic's name of one of several types."""
    return isinstance(part, int) or (part.isidentifier() and part not in ("int", "float", "str"))


def _advice(schema: type[BaseModel], path: str) -> str:
    """Return what to type instead, for fields that have an example; else an empty string."""
    *parents, key = path.split(".")
    for part in parents:
        inner = schema.model_fields[part].annotation if part in schema.model_fields else None
        if not (inspect.isclass(inner) and issubclass(inner, BaseModel)):
            return ""
        schema = inner
    examples = schema.model_fields[key].examples if key in schema.model_fields else None
    return f"; type {path}={examples[0]}" if examples else ""


def _known_keys(schema: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        schema = schema.model_fields[part].annotation  # type: ignore[assignment]
    return list(schema.model_fields)
