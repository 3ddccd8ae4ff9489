"""Optional packages: a clear line where one is missing."""

from importlib import import_module
from typing import Any

from vae_lab.errors import UserError


def need(package: str, word: str, extra: str) -> Any:
    """An optional package, imported.

    Args:
        package: as it is imported.
        word: what was typed that needs it.
        extra: of this package, that brings it.

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as why:
        line = f"{word} needs the package {package}: pip install 'vae-lab[{extra}]'"
        raise UserError(line) from why
