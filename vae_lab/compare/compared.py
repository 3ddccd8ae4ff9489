"""Compared runs: the settings in which they differ, their scores, and the runs that differ only in their seed."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from vae_lab.compare.protocols import samplers
from vae_lab.compare.reading import Record
from vae_lab.compare.scores import Score, cells_of, over_seeds, scores_of, scores_to_show, with_last_losses
from vae_lab.compare.settings import MISSING, Setting, axes, differing, format_setting

# This ending of a sampler's label only repeats the setting ``conditional``.
_CONDITIONAL = re.compile(r", \w+ drawn as in training$")
_COMMON = ("model", "objective", "likelihood", "dataset", "latent_dim", "beta", "k1", "k2", "epochs")


@dataclass(frozen=True)
class Value:
    """The value of a score for one run, or for several runs that differ only in their seed."""

    mean: float
    spread: float | None  # one run: half of its 95 % interval; several: the standard deviation over seeds
    seeds: int
    protocol: int


class Compared:
    """The compared runs, as the table, the CSV file, the plots and the page show them.

    Args:
        records: the runs; everywhere else, a run is identified by its index in this sequence.
        show: names of the scores to show; None: a default selection.

    Raises:
        UserError: ``show`` names an unknown score.
    """

    def __init__(self, records: Sequence[Record], show: list[str] | None = None) -> None:
        self.records = records = with_last_losses(records)
        self.samplers = samplers(records)
        self.settings = differing(records)
        self.settings += self._differing_sampler()
        self.axes = axes(self.settings)
        self.scores = {score.name: score for score in scores_of(records)}
        self.show = scores_to_show(list(self.scores.values()), show)
        self.cells = cells_of(records, self.settings, self.samplers)
        self._values: dict[tuple[str, tuple[int, ...]], Value | None] = {}

    def _differing_sampler(self) -> list[Setting]:
        taken = "sampler" in (setting.name for setting in self.settings)  # by the sampler fitted after training
        sources = tuple(text and _CONDITIONAL.sub("", text) for text in self.samplers)
        setting = Setting("images" if taken else "sampler", sources)
        return [setting] if len(setting.distinct) > 1 else []

    @cached_property
    def order(self) -> list[int]:
        """The runs sorted by settings, seed and name, so that the order does not depend on their location."""
        place = {run: number for number, cell in enumerate(self.cells) for run in cell.runs}
        seeds = [self.seed(run) for run in range(len(self.records))]
        names = [record.name for record in self.records]

        def key(run: int) -> tuple[int, int, str]:
            seed = seeds[run]
            return place[run], -1 if seed is None else seed, names[run]

        return sorted(place, key=key)

    @property
    def seeded(self) -> bool:
        """Whether any runs differ only in their seed."""
        return any(len({self.seed(run) for run in cell.runs}) > 1 for cell in self.cells)

    def seed(self, run: int) -> int | None:
        """Return a run's seed; None if its config could not be read."""
        return self.records[run].config.get("seed")

    def varying(self, runs: Iterable[int]) -> list[Setting]:
        """Return the settings that differ among the given runs."""
        among = list(runs)
        return [s for s in self.settings if len({s.values[run] for run in among}) > 1]

    def label(self, run: int, seed: bool = True, settings: Sequence[Setting] | None = None) -> str:
        """Return a run's label, as ``latent_dim=2 beta=4, seed 0``; its folder's name if it has none of the settings.

        Args:
            run: index of the run.
            seed: whether the label includes the seed.
            settings: the settings that the label includes; None: all that differ.
        """
        settings = self.settings if settings is None else settings
        parts = [f"{s.name}={format_setting(s.values[run])}" for s in settings if s.values[run] is not MISSING]
        if not parts:
            return self.records[run].name
        return " ".join(parts) + (f", seed {self.seed(run)}" if seed else "")

    def label_of(self, runs: Sequence[int], settings: Sequence[Setting] | None = None) -> str:
        """Return the label of runs that differ only in their seed; ``2 seeds`` where no setting tells them from others.

        Args:
            runs: indices of the runs; of a single one, the label is that of the run without its seed.
            settings: the settings that the label includes; None: all that differ.
        """
        label = self.label(runs[0], seed=False, settings=settings)
        seeds = len({self.seed(run) for run in runs})
        return f"{seeds} seeds" if seeds > 1 and label == self.records[runs[0]].name else label

    def value(self, score: Score, runs: Sequence[int]) -> Value | None:
        """Return the score of a run, or the mean over several; None if no run has it or their protocols differ."""
        key = score.name, tuple(runs)
        if key not in self._values:
            self._values[key] = self._value(score, runs)
        return self._values[key]

    def _value(self, score: Score, runs: Sequence[int]) -> Value | None:
        scored = [run for run in runs if run in score.values]
        numbers = {score.protocols.number_of[run] for run in scored}
        if len(numbers) != 1:
            return None
        if len(runs) == 1:
            return Value(score.values[scored[0]], score.half_widths.get(scored[0]), 1, numbers.pop())
        mean, sd, seeds = over_seeds((self.seed(run) or 0, score.values[run]) for run in scored)
        return Value(mean, sd, seeds, numbers.pop())

    def duplicates(self, runs: Sequence[int]) -> list[list[int]]:
        """Group those of the runs, all of the same settings, that also have the same seed."""
        by_seed: dict[int | None, list[int]] = {}
        for run in runs:
            by_seed.setdefault(self.seed(run), []).append(run)
        return [of_seed for of_seed in by_seed.values() if len(of_seed) > 1]

    def mixed(self, score: Score, runs: Sequence[int]) -> bool:
        """Whether runs that differ only in their seed were scored under several protocols."""
        return len({score.protocols.number_of[run] for run in runs if run in score.values}) > 1

    def common(self, runs: Iterable[int] | None = None) -> str:
        """Return the most important settings that the runs share, as ``model=cnn, latent_dim=2``.

        Args:
            runs: indices of the runs; None: all runs.
        """
        among = range(len(self.records)) if runs is None else list(runs)
        configs = [self.records[run].config for run in among if self.records[run].config]
        left_out = {setting.name for setting in self.settings}
        left_out |= {"beta"} if left_out & {"k1", "k2"} else set()
        left_out -= {setting.name for setting in self.settings} - {setting.name for setting in self.varying(among)}
        # beta=B means k1=1 and k2=B, so that one of the two notations is redundant.
        left_out |= {"k1", "k2"} if all(config.get("k1", 1) == 1 for config in configs) else {"beta"}
        parts = []
        for key in _COMMON:
            values = {str((c.get("choices") or {}).get(key) or _scalar_text(c.get(key))) for c in configs}
            if key not in left_out and len(values) == 1 and values != {"None"}:
                parts.append(f"{key}={values.pop()}")
        return ", ".join(parts)


def _scalar_text(value: object) -> str | None:
    return format_setting(value) if isinstance(value, int | float) else value if isinstance(value, str) else None
