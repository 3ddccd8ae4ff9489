"""Decides which classes and functions a config may name; everything that turns a name into an object asks here.

A config names its classes by ``_target_``, and Hydra calls whatever is named. The config of a run folder, or of a
sampler's file, may have been written by someone else, and must not be able to run code. Allowed are therefore only

* the classes of vae_lab in the rooms that hold components, such as models and metrics,
* what the files in ``conf/`` name, such as ``torch.optim.Adam``,
* what the user has typed in this very command: the packages of ``trust=[mylab]``, and the classes that the composed
  config names (``objective=sparse hydra.searchpath=…``). Nothing remembers them beyond the command.

A name is imported only after it has been allowed.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec
from typing import Any

from vae_lab.config.conf import CONF
from vae_lab.config.renamed import MOVED
from vae_lab.errors import NoSuchModule, UserError

_ROOMS = ("data", "features", "figures", "likelihoods", "metrics", "models", "nets", "objectives", "posteriors",
          "priors", "samplers", "schedules")  # fmt: skip
_PACKAGE_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

_typed: ContextVar[frozenset[str]] = ContextVar("typed", default=frozenset())


class Untrusted(UserError):
    """A config contains something that could run code which is neither of vae_lab nor allowed by the user."""


@contextmanager
def trusting(names: Iterable[str]) -> Iterator[None]:
    """Inside the block, also allow these packages, modules or classes, in addition to those already allowed.

    Raises:
        UserError: a name is not the name of a Python package.
    """
    names = list(names)
    for name in names:
        if not _PACKAGE_NAME.fullmatch(name):
            raise UserError(f"trust={name}: not the name of a Python package; type trust=[mylab]")
    token = _typed.set(_typed.get() | set(names))
    try:
        yield
    finally:
        _typed.reset(token)


def trusted() -> list[str]:
    """Return the names that are allowed at the moment beside those of vae_lab, for a process that this one starts."""
    return sorted(_typed.get())


def packages_typed(words: Iterable[str]) -> list[str]:
    """Return the packages of the last ``trust=[…]`` among the words of a command line.

    Raises:
        UserError: the value is not a list of texts.
    """
    typed = [word for word in words if word.partition("=")[0].lstrip("+") == "trust"]
    if not typed:
        return []
    from hydra.core.override_parser.overrides_parser import OverridesParser

    value = OverridesParser.create().parse_overrides([typed[-1]])[0].value()
    names = [getattr(name, "text", name) for name in value] if isinstance(value, list) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{typed[-1]}: must be a list of Python packages; type trust=[mylab]")
    return names


def targets_in(node: object) -> set[str]:
    """Return every ``_target_`` in a config, at any depth."""
    return {str(value) for path, value in _values(node) if _is_target(path)}


def targets_typed(words: Iterable[str]) -> set[str]:
    """Return every ``_target_`` that the words of a command line contain."""
    pattern = re.compile(r"_target_['\"]?\s*[:=]\s*['\"]?([\w.]+)")
    return {name for word in words for name in pattern.findall(word)}


def refuse_untrusted(node: object) -> None:
    """Check all names in a node before any object is built from it.

    Raises:
        Untrusted: a name is not allowed, or a value is an interpolation ``${…}``, which could create further names.
        UserError: see :func:`locate`.
    """
    for path, value in _values(node):
        if _is_target(path):
            locate(str(value), path.removesuffix("_target_").removesuffix("."))
        elif isinstance(value, str) and "${" in value:
            raise Untrusted(f"{path}={value[:80]}: an interpolation ${{…}} is not read here; write the value itself")


def locate(name: str, path: str = "") -> Any:
    """Import the class or function of this name, if it is allowed.

    Args:
        name: the full name, as ``_target_`` has it.
        path: the key of the config under which the name stands, for messages.

    Raises:
        Untrusted: it is not allowed; nothing has been imported.
        NoSuchModule: Python does not find its package.
        UserError: it cannot be imported.
    """
    from hydra.utils import get_object

    shown = f"{path}._target_={name}" if path else f"_target_={name}"
    inside = _places(name)
    if not inside and not _is_named(name):
        raise Untrusted(f"{shown}: {_advice(name)}")
    if not _is_found(name):
        package = name.partition(".")[0]
        raise NoSuchModule(
            f"{shown}: Python does not find the module {package}; add the folder that holds it to PYTHONPATH"
        )
    try:
        target = get_object(name)
    except Exception as why:
        raise UserError(f"{shown} cannot be imported ({' '.join(str(why).split())[:160]})") from why
    if not _is_named(name) and not _is_defined_in(target, inside):
        raise Untrusted(f"{shown}: {_advice(_own_name(target))}")
    return target


def _is_named(name: str) -> bool:
    """Whether exactly this name was typed, or stands in conf/."""
    return name in _typed.get() or name in _named_by_conf()


@cache
def _named_by_conf() -> frozenset[str]:
    files = CONF.rglob("*.yaml")
    return frozenset(targets_typed(path.read_text(encoding="utf-8") for path in files)) | frozenset(MOVED.values())


def _places(name: str) -> tuple[str, ...]:
    """Return the trusted packages and rooms that a name lies in."""
    rooms = tuple(f"vae_lab.{room}" for room in _ROOMS)
    return tuple(place for place in (*rooms, *_typed.get()) if name.startswith(f"{place}."))


def _is_defined_in(target: object, places: tuple[str, ...]) -> bool:
    """Whether a class or function is defined in one of these places, and not only imported there.

    ``vae_lab.data.cache.os.system`` lies inside vae_lab, too. Of vae_lab itself, only classes are built.
    """
    module = _module_of(target)
    return any(
        module == place or module.startswith(f"{place}.")
        for place in places
        if isinstance(target, type) or not place.startswith("vae_lab.")
    )


def _module_of(target: object) -> str:
    return str(getattr(target, "__module__", None) or "")


def _own_name(target: object) -> str:
    """Return where a class or function is defined, which differs from a name under which a module has imported it."""
    return f"{_module_of(target)}.{getattr(target, '__qualname__', '')}"


def _is_found(name: str) -> bool:
    package = name.partition(".")[0]
    try:
        return package in sys.modules or find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _advice(name: str) -> str:
    package = name.partition(".")[0]
    text = "this is not a class of vae_lab, so it was not run"
    if package in sys.stdlib_module_names or package in ("", "vae_lab"):
        return text
    library = package in {known.partition(".")[0] for known in _named_by_conf()}
    where = "" if _is_found(name) else f", with the folder that holds {package} in PYTHONPATH"
    return f"{text}; only if you know that this file may run it, type trust=[{name if library else package}]{where}"


def _values(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the dotted path and the value of everything in a config that is neither a mapping nor a list.

    The value of a ``_target_`` is yielded whatever it is.
    """
    if isinstance(node, Mapping | list | tuple) and not _is_target(path):
        for key, part in node.items() if isinstance(node, Mapping) else enumerate(node):
            yield from _values(part, f"{path}.{key}" if path else str(key))
    else:
        yield path, node


def _is_target(path: str) -> bool:
    return path.rpartition(".")[2] == "_target_"
