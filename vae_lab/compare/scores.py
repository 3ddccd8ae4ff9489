"""Scores of many runs: which there are, which way is better, which is best, mean and spread over seeds."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vae_lab.compare.protocols import Protocols, data_of
from vae_lab.compare.reading import Record
from vae_lab.compare.settings import Setting, ordered
from vae_lab.errors import UserError, did_you_mean

_DEFAULT = ("fid", "fid_gmm", "fid_flow", "fid_two_stage", "fid_inception", "elbo", "nll", "mig", "fid_reconstructions",
            "recon", "kl", "active_units")  # fmt: skip
SHOWN = 5  # scores that are columns unless ``show=`` says otherwise


@dataclass(frozen=True)
class Score:
    """A score with its value in every run that has it."""

    name: str  # without test/
    meaning: str
    values: dict[int, float]  # run -> value
    halves: dict[int, float]  # run -> half of its 95 % interval
    protocols: Protocols

    @property
    def better(self) -> str | None:
        """'lower', 'higher', or None where neither is said; what real images reach is no contest."""
        for text, found in _DIRECTIONS.items():
            if text in self.meaning and not self.name.endswith("_floor"):
                return found
        return None

    def rank(self, value: float) -> float:
        """Less is better; a distance whose best is 0 may be estimated below it."""
        return -value if self.better == "higher" else abs(value) if "0 is best" in self.meaning else value

    def best(self, values: dict[int, float]) -> set[int]:
        """Those of ``values`` (by run) that none of the same protocol beats; none where there is no other to beat."""
        found: set[int] = set()
        for number in range(len(self.protocols) if self.better else 0):
            among = {i: v for i, v in values.items() if self.protocols.of[i] == number and math.isfinite(v)}
            if len(among) > 1:
                least = min(self.rank(v) for v in among.values())
                found |= {i for i, v in among.items() if self.rank(v) == least}
        return found


_DIRECTIONS = {
    "lower is better": "lower",
    "higher is better": "higher",
    "0 is best": "lower",
    "1 is best": "higher",
}


def scores_of(records: Sequence[Record]) -> list[Score]:
    """Every score that a finished run has; floors last."""
    names = dict.fromkeys(name for record in records if record.finished for name in record.scores)
    return [
        Score(
            name.removeprefix("test/"),
            next((r.meanings[name] for r in records if name in r.meanings), ""),
            {i: r.scores[name] for i, r in enumerate(records) if r.finished and name in r.scores},
            {i: (high - low) / 2 for i, r in enumerate(records) if name in r.intervals
             for low, high in [r.intervals[name]]},
            Protocols(name, records),
        )
        for name in sorted(names, key=lambda name: name.endswith("_floor"))
    ]  # fmt: skip


def chosen(scores: Sequence[Score], show: list[str] | None) -> list[str]:
    """Names of the scores to show: those asked for, or a few that say most.

    Raises:
        UserError: no run has a score of that name.
    """
    names = [score.name for score in scores]
    if show:
        asked = [name.removeprefix("test/") for name in show]
        for name in asked:
            if name not in names:
                raise UserError(
                    f"show={name}: no run has such a score{did_you_mean(name, names)}; scores: {', '.join(names)}"
                )
        return asked
    return ([name for name in _DEFAULT if name in names] or names)[:SHOWN]


@dataclass(frozen=True)
class Cell:
    """Runs that differ in their seed alone."""

    runs: tuple[int, ...]


def cells_of(records: Sequence[Record], settings: Sequence[Setting], samplers: Sequence[str | None]) -> list[Cell]:
    """Finished runs by what they were told, in the order of their settings; an unfinished one stands alone."""
    found: dict[tuple, list[int]] = defaultdict(list)
    for i, record in enumerate(records):
        alone = "" if record.finished else str(record.path)
        told = tuple(ordered(setting.values[i]) for setting in settings)
        found[bool(alone), told, str(data_of(record.config)), str(samplers[i]), alone].append(i)
    return [Cell(tuple(runs)) for _, runs in sorted(found.items())]


def over_seeds(values: Iterable[tuple[int, float]]) -> tuple[float, float | None, int]:
    """Mean, standard deviation (n − 1; None for a single seed) and number of seeds of (seed, value).

    Runs of the same seed are one draw, not two: their mean counts.
    """
    by_seed: dict[int, list[float]] = defaultdict(list)
    for seed, value in values:
        by_seed[seed].append(value)
    means = [_mean(found) for found in by_seed.values()]
    n, mean = len(means), _mean(means)
    if n == 1 or not math.isfinite(mean):
        return mean, None, n
    return mean, math.sqrt(sum((value - mean) * (value - mean) for value in means) / (n - 1)), n


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
