"""One trial: the lines that a seed gives, tried in a sandbox and checked against the contract."""

import random
import shlex
from dataclasses import dataclass

from fuzz import contract
from fuzz.child import Ended, carry_out
from fuzz.combinations import lines_of_combination
from fuzz.lines import wrong_line
from fuzz.sandbox import WORK, Sandbox

OUTCOMES = {0: "finished", 1: "failed", 2: "refused", 130: "interrupted"}
KINDS = ("lines", "combinations")


@dataclass(frozen=True)
class Tried:
    """A line that was tried."""

    number: int  # of the trial
    words: list[str]
    ended: Ended
    violations: list[str]

    @property
    def outcome(self) -> str:
        """How the line ended, in one word."""
        return "violation" if self.violations else OUTCOMES.get(self.ended.status, "violation")

    @property
    def typed(self) -> str:
        """The line as a shell takes it."""
        return shlex.join(["vae-lab", *self.words])


def lines_of(kind: str, seed: int, number: int) -> list[list[str]]:
    """Return the lines of a trial, which depend on nothing but the kind, the seed and the trial's number."""
    choose = random.Random(f"{kind} {seed} {number}")
    return [wrong_line(choose)] if kind == "lines" else lines_of_combination(choose)


def try_lines(lines: list[list[str]], sandbox: Sandbox, number: int, limit: float, keep: bool = False) -> list[Tried]:
    """Try lines one after the other in one copy of the prepared files; the first that does not finish is the last.

    Args:
        lines: the words of each line.
        sandbox: the prepared files.
        number: the trial's number.
        limit: seconds for each line, after which it is interrupted.
        keep: keep the folder.
    """
    tried: list[Tried] = []
    with sandbox.copy(keep) as (folder, environment):
        for words in lines:
            before = contract.tree_of(folder)
            ended = carry_out(words, folder / WORK, environment, limit)
            found = contract.violations(words, ended, before, contract.tree_of(folder), folder)
            tried.append(Tried(number, words, ended, found))
            if ended.status:
                break
    return tried
