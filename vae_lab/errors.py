"""The ways in which a command ends early, each with its exit status."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something typed or provided is wrong. The message is one line: what, where, what to type instead."""

    exit_status = 2


class RunFailed(Exception):
    """A run that was started properly could not be brought to its end."""

    exit_status = 1


class Interrupted(KeyboardInterrupt):
    """The person (Ctrl-C) or the cluster (SIGTERM) stopped the run; it can be resumed.

    No ``Exception``: a sweep does not go on with its next job.
    """

    exit_status = 130


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the nearest known word, or an empty string."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""
