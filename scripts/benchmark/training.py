"""The race: all contestants train every case in turns, so that disturbances of the machine affect all of them."""

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
    """Return the order of a round; a different element comes first in each round.

    >>> turn(["a", "b", "c"], 1)
    ['b', 'c', 'a']
    """
    first = number % len(order) if order else 0
    return order[first:] + order[:first]


def images_per_second(case: Case, epoch_seconds: list[float]) -> float:
    """Return the rate of the median epoch, without the first epoch, in which caches are filled.

    The median is taken because starting loggers may slow down the second epoch.
    """
    return case.images / median(epoch_seconds[1:])


def race(
    chosen: list[Case], ready: dict[Contestant, Path], rounds: int, results: Results, path: Path, say: Say
) -> None:
    """Fill ``results.training`` and ``results.limits``, and write the results to ``path`` after each measurement.

    A contestant that fails on a case is skipped in later rounds of this case.
    """
    task = {"cases": [case.as_json() for case in chosen]}
    for number in range(rounds):
        rates = measured(Path(sys.executable), "limit", task, results.machine["threads"])
        results.limits += [{**row, "round": number} for row in rates]
        for case in chosen:
            for contestant in turn(list(ready), number):
                if f"{contestant.name}, {case.name}" not in results.skipped:
                    _take_turn(case, contestant, ready[contestant], number, results, say)
                    results.write(path)


def _take_turn(case: Case, contestant: Contestant, python: Path, number: int, results: Results, say: Say) -> None:
    task = replace(case, words=contestant.words)
    try:
        found = measured(python, contestant.worker, task.as_json(), results.machine["threads"])
    except WorkerFailed as why:
        results.skipped[f"{contestant.name}, {case.name}"] = str(why)
        say(f"round {number + 1}  {case.name:14} {contestant.name:24} failed: {why}")
        return
    rate = images_per_second(case, found["epoch_seconds"])
    row = {"case": case.name, "contestant": contestant.name, "round": number, "images_per_second": rate, **found}
    results.training.append(row)
    say(f"round {number + 1}  {case.name:14} {contestant.name:24} {rate:10,.0f} images/s")
