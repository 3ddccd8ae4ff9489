"""Checks the parts of a config, which are mappings with a ``_target_``, against the constructors that they name.

The parameters of the constructor are the keys, and their annotations give the types and ranges.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import ErrorDetails, SchemaError

from vae_lab.config.node import Node, shown
from vae_lab.config.renamed import current
from vae_lab.config.trust import locate
from vae_lab.errors import UserError, did_you_mean

_LIBRARIES = ("torch.", "pytorch_lightning.", "sklearn.")  # their annotations give no ranges, and some are wrong
_PARTS = ("model", "posterior", "prior", "quantizer", "objective", "likelihood", "initialisation", "beta_schedule",
          "dataset", "optimizer", "sampler", "features", "logger", "launcher", "search")  # fmt: skip
_NAMED_PARTS = ("metrics", "figures", "scores")  # mappings of names to parts
_KEYS_OF_HYDRA: dict[str, Any] = {"_target_": str, "_partial_": bool, "_recursive_": bool, "_args_": list[Any],
                           "_convert_": Literal["none", "partial", "object", "all"]}  # fmt: skip


def check_parts(config: Node) -> None:
    """Check all parts of a config, at any depth.

    Raises:
        UserError: an option has no class, a class is not allowed or cannot be imported, or a key or value does not fit
            its constructor.
    """
    _refuse_groups_without_class(config)
    for path, node in _components(config):
        _check_component(path, node)


def _refuse_groups_without_class(config: Node) -> None:
    """Refuse an option that names no class, because a key of it was removed or replaced. An empty one means none."""
    parts = {key: config.get(key) for key in _PARTS}
    parts |= {f"{group}.{name}": node for group in _NAMED_PARTS for name, node in (config.get(group) or {}).items()}
    for path, node in parts.items():
        if node and not (isinstance(node, Mapping) and "_target_" in node):
            raise UserError(_without_class(path, node))


def _without_class(path: str, node: object) -> str:
    group, _, name = path.partition(".")
    if not name:
        return f"{path} is no option, since it names no class (_target_); type {group}=<option> to choose one"
    kind = group.removesuffix("s")
    if isinstance(node, Mapping):
        return f"{path}: no {kind} of this name is chosen; type {group}=[{name}], or leave {path} out"
    return (f"{path}={node}: {name} is a {kind} and has settings of its own, no value; type {group}=[{name}] to have "
            f"it, or {path}.<setting>=<value>")  # fmt: skip


def _components(node: object, path: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every mapping with a ``_target_``, with its dotted path."""
    if isinstance(node, Mapping) and "_target_" in node:
        yield path, dict(node)
    inside = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inside:
        yield from _components(value, f"{path}.{key}" if path else str(key))


def _check_component(path: str, node: Node) -> None:
    for key, value in node.items():
        if str(key).startswith("_"):
            if key not in _KEYS_OF_HYDRA:
                raise UserError(f"{path}.{key}: no such key; those that begin with _ are {', '.join(_KEYS_OF_HYDRA)}")
            _check_value(f"{path}.{key}", value, _KEYS_OF_HYDRA[key])
    target = locate(current(node)["_target_"], path)
    parameters = inspect.signature(target).parameters
    accepts_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    hints = {} if node["_target_"].startswith(_LIBRARIES) else _hints(target)
    for key, value in node.items():
        if str(key).startswith("_"):
            continue
        if key not in parameters and not accepts_any:
            known = [name for name in parameters if name != "self"]
            listed = f"known: {', '.join(known)}" if known else "there are none"
            raise UserError(f"{path}.{key}: no such key{did_you_mean(str(key), known)}; {listed}")
        is_component = isinstance(value, Mapping) and "_target_" in value
        if key in hints and (not is_component or _is_plain(hints[key])):
            _check_value(f"{path}.{key}", value, hints[key])


def _check_value(path: str, value: object, hint: Any) -> None:
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False))
    except (PydanticSchemaGenerationError, SchemaError) as why:  # the type of an object, which no plain value has
        if isinstance(value, Mapping | list) or (value is None and type(None) in get_args(hint)):
            return
        raise UserError(f"{path}={shown(value)}: must be a mapping with a _target_, which names a class") from why
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        raise UserError(f"{path}={shown(value)}: {reason(error.errors()[0])}") from error


def _is_plain(hint: Any) -> bool:
    """Whether a type is that of a YAML value, such as a number, in whose place no object can stand."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _is_plain(get_args(hint)[0])
    if origin in (Union, UnionType):
        return all(map(_is_plain, get_args(hint)))
    return origin is Literal or hint in (int, float, bool, str, type(None))


@cache
def _hints(target: Callable[..., object]) -> dict[str, Any]:
    try:
        return get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    except NameError:  # an annotation uses a name that is imported for type checkers only
        return {}


def reason(problem: ErrorDetails) -> str:
    """Return pydantic's message as an instruction."""
    message = problem["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return message.replace("should match pattern", "must match").replace("should be", "must be")
