"""Names of files and folders that are made from what users type, cut to what file systems take.

Linux, macOS and Windows take 255 bytes per name (UTF-16 units on Windows), encrypted home folders 143. A file is first
written under its name with ``.`` before it and 14 more characters after it (:mod:`vae_lab.system.unfinished`).
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from vae_lab.config.help import groups

LARGEST = 255  # bytes of a name that file systems take
LONGEST = 100  # bytes of a name that the program makes, before its hash


def short_name(name: str, longest: int = LONGEST, source: str | None = None) -> str:
    """Return a name, cut if it has more than ``longest`` bytes in UTF-8; a hash then tells it from others.

    Args:
        name: the name.
        longest: the largest number of bytes; a cut name has these and seven more.
        source: what the hash is computed from; None: the name.

    >>> short_name("beta-4"), short_name("beta-4_beta-5", longest=6)
    ('beta-4', 'beta-4-41c915')
    """
    encoded = name.encode(errors="surrogateescape")
    if len(encoded) <= longest:
        return name
    digest = hashlib.sha256((source or name).encode(errors="surrogateescape")).hexdigest()[:6]
    return f"{encoded[:longest].decode(errors='ignore')}-{digest}"


def slug(overrides: str) -> str:
    """Return overrides as part of a folder's name: ``beta=4,model=cnn`` becomes ``beta-4_model-cnn``.

    It has no equals signs and commas, which have a meaning in overrides, so that ``run=<folder>`` can be typed. A long
    one is cut, see :func:`short_name`.
    """
    name = re.sub(r"[^\w.+-]+", "-", overrides.replace(",", "_")).strip("-_")
    return short_name(name, source=overrides) or "default"


def origin(run: str | None) -> str:
    """Return how the name of a run's folder begins if the run continues another one; empty if it does not.

    >>> origin("outputs/2026-01-31/12-00-00-dataset-digits_beta-4"), origin(None)
    ('from-dataset-digits_beta-4-', '')
    """
    name = re.sub(r"^(\d\d-\d\d-\d\d-)?(from-)?", "", Path(run).name) if run else ""
    return f"from-{short_name(slug(name), 40)}-" if name else ""


def choices_first(words: Iterable[str]) -> list[str]:
    """Return overrides in the order of importance, so that a name made from them can be cut at its end.

    The choices of groups (``model=dense``) come first, then settings of the run, then settings of parts and lists of
    metrics and figures; each keep their order.

    >>> choices_first(["beta=4", "objective.gamma=5", "objective=factor_vae"])
    ['objective=factor_vae', 'beta=4', 'objective.gamma=5']
    """
    return sorted(words, key=_importance)


def _importance(word: str) -> int:
    key = word.partition("=")[0].lstrip("+~")
    if "." in key or key in ("metrics", "figures", "scores"):
        return 2
    return 0 if key in groups() else 1


def run_name(overrides: str) -> str:
    """Return the name of a run's folder from its overrides, the choices of groups first; see :func:`slug`.

    >>> run_name("epochs=2,model=dense")
    'model-dense_epochs-2'
    """
    words = re.split(r",(?=[+~]*[\w./@-]+=)", overrides)  # a comma inside of a list has no key after it
    return slug(",".join(choices_first(words)))


def fitting(path: Path) -> Path:
    """Return a path in which every name that no file system takes is cut, always in the same way."""
    names = [short_name(part) if len(part.encode(errors="surrogateescape")) > LARGEST else part for part in path.parts]
    return Path(*names)
