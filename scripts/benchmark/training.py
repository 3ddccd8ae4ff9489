"""The race: every contestant on every case, in turns, so that what disturbs the machine disturbs all of them."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from cases import Case
from contestants import Contestant
from measure import WorkerFailed, measured
from results import Results

Say = Callable[[str], None]


def turn(order: list[Any], number: int) -> list[Any]:
    """Another one begins in each round.

    >>> turn(["a", "b", "c"], 1)
    ['b', 'c', 'a']
    """
    first = number % len(order) if order else 0
    return order[first:] + order[:first]


def images_per_second(case: Case, epoch_seconds: list[float]) -> float:
    """Of the middle epoch, leaving out the first, in which caches fill; loggers' start may disturb the second."""
    return case.images / median(epoch_seconds[1:])


def race(
    chosen: list[Case], ready: dict[Contestant, Path], rounds: int, results: Results, written: Path, say: Say
) -> None:
    """Fill ``results.training`` and ``results.limits``; who fails on a case sits out its further rounds."""
    told = {"cases": [case.as_json() for case in chosen]}
    for number in range(rounds):
        rates = measured(Path(sys.executable), "limit", told, results.machine["threads"])
        results.limits += [{**row, "round": number} for row in rates]
        for case in chosen:
            for contestant in turn(list(ready), number):
                if f"{contestant.name}, {case.name}" not in results.skipped:
                    _take_turn(case, contestant, ready[contestant], number, results, say)
                    results.write(written)


def _take_turn(case: Case, contestant: Contestant, python: Path, number: int, results: Results, say: Say) -> None:
    told = replace(case, words=contestant.words)
    try:
        found = measured(python, contestant.worker, told.as_json(), results.machine["threads"])
    except WorkerFailed as why:
        results.skipped[f"{contestant.name}, {case.name}"] = str(why)
        say(f"round {number + 1}  {case.name:14} {contestant.name:24} failed: {why}")
        return
    rate = images_per_second(case, found["epoch_seconds"])
    row = {"case": case.name, "contestant": contestant.name, "round": number, "images_per_second": rate, **found}
    results.training.append(row)
    say(f"round {number + 1}  {case.name:14} {contestant.name:24} {rate:10,.0f} images/s")
