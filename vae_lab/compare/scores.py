"""The scores of many runs: their values, which direction is better, which is best, mean and spread over seeds."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vae_lab.compare.protocols import Protocols, data_of
from vae_lab.compare.reading import Record
from vae_lab.compare.settings import Setting, sort_key
from vae_lab.errors import UserError, did_you_mean

_DEFAULT = ("fid", "fid_gmm", "fid_flow", "fid_two_stage", "fid_inception", "bound", "elbo", "nll", "mig",
            "fid_reconstructions", "recon", "kl", "active_units")  # fmt: skip
SHOWN = 5  # number of scores that are columns unless show= is typed, beside their validation scores
VALIDATION = "val/"  # the prefix of scores of the validation set
LAST_LOSS = "val/loss (last epoch)"


@dataclass(frozen=True)
class Score:
    """A score, with its value in every run that has it."""

    name: str  # as in results.json, without test/
    meaning: str
    values: dict[int, float]  # run -> value
    half_widths: dict[int, float]  # run -> half of the width of its 95 % interval
    protocols: Protocols

    @property
    def stored(self) -> str:
        """The name in ``results.json``: ``test/fid`` or ``val/fid``."""
        return self.name if self.name.startswith(VALIDATION) else f"test/{self.name}"

    @property
    def better(self) -> str | None:
        """'lower' or 'higher'; None if the meaning states no direction, and for floors, which real images reach."""
        for text, direction in _DIRECTIONS.items():
            if text in self.meaning and not self.name.endswith("_floor"):
                return direction
        return None

    def rank(self, value: float) -> float:
        """Return a key that is lowest for the best value.

        The best value of some distances is 0, but their estimates can be negative; these rank by absolute value.
        """
        return -value if self.better == "higher" else abs(value) if "0 is best" in self.meaning else value

    def best(self, values: Mapping[int, float]) -> set[int]:
        """Return the keys of the best of values that are comparable; of a single value, none."""
        finite = {key: self.rank(value) for key, value in values.items() if math.isfinite(value)}
        if not self.better or len(finite) < 2:
            return set()
        lowest = min(finite.values())
        return {key for key, rank in finite.items() if rank == lowest}


_DIRECTIONS = {
    "lower is better": "lower",
    "higher is better": "higher",
    "0 is best": "lower",
    "1 is best": "higher",
}


def scores_of(records: Sequence[Record]) -> list[Score]:
    """Return every score that a finished run has: of the test set, floors last, then of the validation set."""
    names = dict.fromkeys(name for record in records if record.finished for name in record.scores)
    last = {name: (name.startswith(VALIDATION), name.endswith("_floor")) for name in names}
    return [
        Score(
            name.removeprefix("test/"),
            _meaning([r.meanings[name] for r in records if name in r.meanings]),
            {i: r.scores[name] for i, r in enumerate(records) if r.finished and name in r.scores},
            {i: (high - low) / 2 for i, r in enumerate(records) if name in r.intervals
             for low, high in [r.intervals[name]]},
            Protocols(name, records),
        )
        for name in sorted(names, key=lambda name: last[name])
    ]  # fmt: skip


def with_last_losses(records: Sequence[Record]) -> Sequence[Record]:
    """Return records in which the last ``val/loss`` of metrics.csv is the score if no run has one (``metrics=none``).

    It has no better direction, because losses of other settings, such as another beta, are not comparable.
    """
    if any(record.finished and record.scores for record in records):
        return records
    meanings = {LAST_LOSS: "loss of the validation set after the last epoch, from metrics.csv"}
    last = [record.history[-1].get("val/loss") if record.finished and record.history else None for record in records]
    return [
        record if loss is None else replace(record, scores={LAST_LOSS: loss}, meanings=meanings)
        for record, loss in zip(records, last)
    ]


def _meaning(texts: Sequence[str]) -> str:
    """The first of the runs' meanings of a score, in nats per example where runs hold different examples."""
    words = {word for text in texts for word in re.findall(r"nats per (\w+)", text)}
    return re.sub(r"nats per \w+", "nats per example", texts[0]) if len(words) > 1 else next(iter(texts), "")


def scores_to_show(scores: Sequence[Score], show: list[str] | None) -> list[str]:
    """Return the names of the scores to show: the requested ones, else a default selection.

    Raises:
        UserError: no run has a score of a requested name.
    """
    names = [score.name for score in scores]
    if show:
        requested = [name.removeprefix("test/") for name in show]
        for name in requested:
            if name not in names:
                raise UserError(
                    f"show={name}: no run has this score{did_you_mean(name, names)}; scores: {', '.join(names)}"
                )
        return requested
    better = {score.name for score in scores if score.better}
    of_test = [name for name in _DEFAULT if name in names]
    of_validation = [name for name in (f"{VALIDATION}{name}" for name in _DEFAULT) if name in names]
    ranked = better.intersection(of_test)
    chosen = of_test if ranked else [*of_validation, *of_test] or names  # first the scores by which runs are chosen
    shown = [[name, *({f"{VALIDATION}{name}"} & better)] for name in chosen[:SHOWN]]  # a choice beside its reason
    return [name for names_of_score in shown for name in names_of_score]


@dataclass(frozen=True)
class SeedGroup:
    """Runs that differ only in their seed."""

    runs: tuple[int, ...]


def cells_of(records: Sequence[Record], settings: Sequence[Setting], samplers: Sequence[str | None]) -> list[SeedGroup]:
    """Group the finished runs that differ only in their seed, sorted by their settings.

    Runs that were begun from different runs (``from=``, ``init=``) differ in more than that.
    Each unfinished run forms a separate cell.
    """
    cells: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i, record in enumerate(records):
        unfinished = "" if record.finished else str(record.path)
        settings_key = tuple(sort_key(setting.values[i]) for setting in settings)
        origin = tuple(record.config.get(key) for key in ("continues", "init"))
        cells[
            bool(unfinished), settings_key, str(data_of(record.config)), str((samplers[i], origin)), unfinished
        ].append(i)
    return [SeedGroup(tuple(runs)) for _, runs in sorted(cells.items())]


def over_seeds(values: Iterable[tuple[int, float]]) -> tuple[float, float | None, int]:
    """Return the mean, the standard deviation (n − 1; None for a single seed) and the number of seeds.

    Runs of the same seed are one draw, not several, so that their mean is one value.

    Args:
        values: pairs of seed and value.
    """
    by_seed: dict[int, list[float]] = defaultdict(list)
    for seed, value in values:
        by_seed[seed].append(value)
    means = [_mean(of_seed) for of_seed in by_seed.values()]
    n, mean = len(means), _mean(means)
    if n == 1 or not math.isfinite(mean):
        return mean, None, n
    return mean, math.sqrt(sum((value - mean) * (value - mean) for value in means) / (n - 1)), n


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
