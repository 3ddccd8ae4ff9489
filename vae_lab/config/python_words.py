"""Settings as Python values, turned into the words of a command line: ``{"lr": 1e-3}`` becomes ``lr=0.001``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vae_lab.config.words import quote
from vae_lab.errors import UserError

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)
_NOT_TEXT = {"null", "true", "false", "inf", "nan", "yes", "no", "on", "off", "none"}
_SEVERAL = re.compile(r"[^'\"]+\s[\w.+~/-]+=")


def words_of(typed: Sequence[object], settings: Mapping[str, object]) -> list[str]:
    """Return the words of a command line.

    >>> words_of(["model=cnn"], {"beta": 4, "metrics": ["fid", "nll"], "dataset": {"limit": None}})
    ['model=cnn', 'beta=4', 'metrics=[fid,nll]', 'dataset.limit=null']

    Args:
        typed: words, lists of words, and mappings of keys to values.
        settings: a value for each key; the settings of a group may be a mapping.

    Raises:
        UserError: something has another type, or a text holds several words.
    """
    words: list[str] = []
    for part in typed:
        if isinstance(part, str):
            words.append(_one(part))
        elif isinstance(part, Mapping):
            words += _assigned(part)
        elif isinstance(part, Sequence):
            words += words_of(part, {})
        else:
            raise UserError(f'{part!r}: words such as "model=cnn" are needed, or lists or mappings of them')
    return [*words, *_assigned(settings)]


def _one(word: str) -> str:
    if _SEVERAL.match(word):
        apart = ", ".join(f'"{part}"' for part in word.split())
        raise UserError(f'"{word}" holds several words; type them apart: {apart}')
    return word


def _assigned(settings: Mapping[str, object], path: str = "") -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _assigned(value, f"{path}{key}.")
        else:
            yield f"{path}{key}={_written(value, f'{path}{key}')}"


def _written(value: object, key: str) -> str:
    """Return a value as a word of the command line has it."""
    value = value.item() if getattr(value, "ndim", None) == 0 else value  # type: ignore[attr-defined]
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        text = str(value)
        return text if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT else quote(text)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_written(one, key)}" for name, one in value.items()) + "}"
    if isinstance(value, Sequence) or hasattr(value, "tolist"):
        values = value if isinstance(value, Sequence) else value.tolist()
        return "[" + ",".join(_written(one, key) for one in values) + "]"
    raise UserError(f"{key}={value!r}: must be a number, a text, a list, a mapping, True, False or None")
