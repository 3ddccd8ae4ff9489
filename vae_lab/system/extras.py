"""Optional packages, with a clear message when one is missing."""

from importlib import import_module
from types import ModuleType

from vae_lab.errors import UserError


def need(package: str, word: str, extra: str) -> ModuleType:
    """Import an optional package and return it.

    Args:
        package: the name under which it is imported.
        word: the word on the command line that needs it.
        extra: the vae-lab extra that installs it.

    Raises:
        UserError: the package is not installed.
    """
    try:
        return import_module(package)
    except ImportError as why:
        line = f"{word} needs the package {package}: pip install 'vae-lab[{extra}]'"
        raise UserError(line) from why
