"""Runs as they are compared: what differs, which scores there are, which runs are seeds of one another."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from vae_lab.compare.protocols import samplers
from vae_lab.compare.reading import Record
from vae_lab.compare.scores import Score, cells_of, chosen, over_seeds, scores_of
from vae_lab.compare.settings import MISSING, Setting, axes, differing, shown

_COMMON = ("model", "objective", "likelihood", "dataset", "latent_dim", "beta", "k1", "k2", "epochs")


@dataclass(frozen=True)
class Value:
    """A score of one run, or of runs that differ in their seed alone."""

    mean: float
    half: float | None  # of the 95 % interval of a single run; the sd over seeds of several
    seeds: int
    protocol: int


class Compared:
    """Everything that table, CSV, plots and page show of the same runs.

    Args:
        records: the runs; their place here is their number everywhere.
        show: names of scores to show; None: a few.

    Raises:
        UserError: ``show`` names an unknown score.
    """

    def __init__(self, records: Sequence[Record], show: list[str] | None = None) -> None:
        self.records = records
        self.samplers = samplers(records)
        self.settings = differing(records)
        self.settings += self._differing_sampler()
        self.axes = axes(self.settings)
        self.scores = {score.name: score for score in scores_of(records)}
        self.show = chosen(list(self.scores.values()), show)
        self.cells = cells_of(records, self.settings, self.samplers)
        self._values: dict[tuple[str, tuple[int, ...]], Value | None] = {}
        self._best: dict[str, set[int]] = {}

    def _differing_sampler(self) -> list[Setting]:
        chosen = "sampler" in (setting.name for setting in self.settings)  # what was fitted after training
        found = Setting("images" if chosen else "sampler", tuple(self.samplers))
        return [found] if len(found.distinct) > 1 else []

    @cached_property
    def order(self) -> list[int]:
        """Runs by what they were told, then by seed and name: the same for the same runs, wherever they lie."""
        place = {run: number for number, cell in enumerate(self.cells) for run in cell.runs}
        seeds = [self.seed(run) for run in range(len(self.records))]
        names = [record.name for record in self.records]
        return sorted(place, key=lambda run: (place[run], -1 if seeds[run] is None else seeds[run], names[run]))

    @property
    def seeded(self) -> bool:
        """Whether some runs differ in their seed alone."""
        return any(len({self.seed(run) for run in cell.runs}) > 1 for cell in self.cells)

    def seed(self, run: int) -> int | None:
        """A run's seed, if its config could be read."""
        return self.records[run].config.get("seed")

    def varying(self, runs: Iterable[int]) -> list[Setting]:
        """The settings that differ among some of the runs."""
        among = list(runs)
        return [s for s in self.settings if len({s.values[run] for run in among}) > 1]

    def label(self, run: int, seed: bool = True, settings: Sequence[Setting] | None = None) -> str:
        """``latent_dim=2 beta=4, seed 0``; the folder's name where nothing differs or nothing is known."""
        chosen = self.settings if settings is None else settings
        told = [f"{s.name}={shown(s.values[run])}" for s in chosen if s.values[run] is not MISSING]
        if not told:
            return self.records[run].name
        return " ".join(told) + (f", seed {self.seed(run)}" if seed else "")

    def value(self, score: Score, runs: Sequence[int]) -> Value | None:
        """The score of these runs as one; None where none has it, or their protocols differ."""
        key = score.name, tuple(runs)
        if key not in self._values:
            self._values[key] = self._value(score, runs)
        return self._values[key]

    def _value(self, score: Score, runs: Sequence[int]) -> Value | None:
        having = [run for run in runs if run in score.values]
        numbers = {score.protocols.of[run] for run in having}
        if len(numbers) != 1:
            return None
        if len(runs) == 1:
            return Value(score.values[having[0]], score.halves.get(having[0]), 1, numbers.pop())
        mean, sd, seeds = over_seeds((self.seed(run) or 0, score.values[run]) for run in having)
        return Value(mean, sd, seeds, numbers.pop())

    def equal(self, runs: Sequence[int]) -> list[list[int]]:
        """Those of runs told the same that also have the same seed: one draw, done again."""
        by_seed: dict[int | None, list[int]] = {}
        for run in runs:
            by_seed.setdefault(self.seed(run), []).append(run)
        return [found for found in by_seed.values() if len(found) > 1]

    def mixed(self, score: Score, runs: Sequence[int]) -> bool:
        """Whether runs that differ in their seed alone were scored under several protocols."""
        return len({score.protocols.of[run] for run in runs if run in score.values}) > 1

    def best_cells(self, score: Score) -> set[int]:
        """Numbers of the cells whose mean is best within their protocol."""
        if score.name not in self._best:
            self._best[score.name] = self._best_cells(score)
        return self._best[score.name]

    def _best_cells(self, score: Score) -> set[int]:
        having = {n: [run for run in cell.runs if run in score.values] for n, cell in enumerate(self.cells)}
        first = {runs[0]: n for n, runs in having.items() if runs}  # stands for its cell
        values = {run: self.value(score, self.cells[n].runs) for run, n in first.items()}
        return {first[run] for run in score.best({run: value.mean for run, value in values.items() if value})}

    def common(self, runs: Iterable[int] | None = None) -> str:
        """The key settings that all of these runs share; of all runs by default."""
        among = range(len(self.records)) if runs is None else list(runs)
        configs = [self.records[run].config for run in among if self.records[run].config]
        differ = {setting.name for setting in self.settings}
        differ |= {"beta"} if differ & {"k1", "k2"} else set()
        differ -= {setting.name for setting in self.settings} - {setting.name for setting in self.varying(among)}
        differ |= (
            {"k1", "k2"} if all(config.get("k1", 1) == 1 for config in configs) else {"beta"}
        )  # beta=B is k1=1, k2=B
        told = []
        for key in _COMMON:
            values = {str((c.get("choices") or {}).get(key) or _plain(c.get(key))) for c in configs}
            if key not in differ and len(values) == 1 and values != {"None"}:
                told.append(f"{key}={values.pop()}")
        return ", ".join(told)


def _plain(value: object) -> object:
    return shown(value) if isinstance(value, int | float) else value if isinstance(value, str) else None
