"""The exceptions that end a command early, each with its exit status."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class UserError(Exception):
    """The user typed or provided something wrong.

    The message is one line: what is wrong, where it is, and what to type instead.
    """

    exit_status = 2


class NoSuchModule(UserError):
    """A config names a class of a module that Python does not find."""


class DoesNotFit(UserError):
    """A node of a config does not fit the constructor that it names."""


class RunFailed(Exception):
    """A run that started correctly could not finish."""

    exit_status = 1


class Interrupted(KeyboardInterrupt):
    """The user (Ctrl-C) or the cluster (SIGTERM) stopped the run; it can be resumed.

    It is not an ``Exception``, so that a sweep does not catch it and continue with its next job.
    """

    exit_status = 130


def counted(n: float, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 entry``, ``3 entries``; the plural is ``one`` with an s unless it is given."""
    return f"{n:g} {one if n == 1 else many or f'{one}s'}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the most similar known word, or an empty string if none is similar."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""


def one_line(text: str, longest: int = 400) -> str:
    """Return a message as one line without control characters; of a long one, the start and the end.

    The end is kept because it says what to type.

    >>> one_line("one\\ntwo  three")
    'one two three'
    """
    line = "".join(sign if sign.isprintable() else " " for sign in " ".join(text.split()))
    if len(line) > longest:  # most often one word is very long
        line = re.sub(r"(?<!\S)(?!https?://)\S{100,}", lambda word: f"{word[0][:60]}…{word[0][-20:]}", line)
    return line if len(line) <= longest else f"{line[: longest - 203].rstrip()} … {line[-200:].lstrip()}"


def one_of(names: Sequence[str]) -> str:
    """Names as a choice in a sentence: ``a``, ``a or b``, or ``a, b or c``."""
    return " or ".join([", ".join(names[:-1]), *names[-1:]] if len(names) > 1 else names)
