"""Every plot of a comparison, by what a person chooses on the page; a choice holds one plot per protocol."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from vae_lab.compare.compared import Compared
from vae_lab.compare.plots.against import against
from vae_lab.compare.plots.drawing import alike, curves, heat_map
from vae_lab.compare.plots.scatter import pareto, scatter
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import Setting
from vae_lab.figures.plots import Plot

AXES, PLACES = 8, 40  # settings offered as axes of heat maps; values along one


@dataclass(frozen=True)
class Panel:
    """One set of axes, and what it is called among those that must stay apart."""

    label: str
    plot: Plot


Choices = dict[str, list[Panel]]


class Plotted:
    """Sections of the page: choice -> panels; the first choice is the default.

    Args:
        compared: the runs.
        sweeps: contents of the sweep.json files, for what a search optimised.
    """

    def __init__(self, compared: Compared, sweeps: list[dict[str, Any]]) -> None:
        self.compared = compared
        self.curves = self._curves()
        self.against: dict[str, Choices] = {s.name: self._by_axis(s) for s in self._scores()}  # score -> number
        self.heat_maps: dict[str, Choices] = {s.name: self._by_pair(s) for s in self._scores()}  # score -> pair
        self.against = {name: choices for name, choices in self.against.items() if choices}
        self.heat_maps = {name: choices for name, choices in self.heat_maps.items() if choices}
        self.rate_distortion = self._rate_distortion()
        self.pareto = [panel for sweep in sweeps for panel in self._pareto(sweep.get("pareto"))]

    def _scores(self) -> list[Score]:
        """Those shown first, then the others; floors are lines in the plots of their scores."""
        shown, scores = self.compared.show, self.compared.scores
        rest = [name for name in scores if name not in shown and not name.endswith("_floor")]
        return [scores[name] for name in [*shown, *rest]]

    def undrawn(self) -> list[str]:
        """Sentences on the scores that have no plot over any number, though numbers vary."""
        found: dict[str, list[str]] = {}
        for score in self._scores() if self.compared.axes else []:
            n = len(score.protocols)
            alone = n > 1 and all(len(score.protocols.members(i)) == 1 for i in range(n))
            why = f"one run under each of {n} protocols" if alone else "no two values of one number under one protocol"
            if score.name not in self.against:
                found.setdefault(why, []).append(score.name)
        axes = ", ".join(axis.name for axis in self.compared.axes)
        return [f"{', '.join(names)}: {why}, so nothing to draw over {axes}." for why, names in found.items()]

    def _curves(self) -> Choices:
        columns = dict.fromkeys(c for record in self.compared.records for row in record.history[:1] for c in row)
        named = [c for c in columns if c.startswith(("train/", "val/"))]
        groups = alike(self.compared, range(len(self.compared.records)))
        made = {
            column: [Panel(label, plot) for label, runs in groups.items()
                     if (plot := curves(self.compared, column, runs)) is not None]
            for column in sorted(named, key=lambda c: (not c.startswith("val/"), columns_order(c)))
        }  # fmt: skip
        return {column: panels for column, panels in made.items() if panels}

    def _by_axis(self, score: Score) -> Choices:
        made = {axis.name: self._panels(score, lambda n, a=axis: against(self.compared, score, a, n))
                for axis in self.compared.axes}  # fmt: skip
        return {name: panels for name, panels in made.items() if panels}

    def _by_pair(self, score: Score) -> Choices:
        offered = [axis for axis in self.compared.axes if len(axis.distinct) <= PLACES][:AXES]
        made = {
            f"{x.name} × {y.name}": self._panels(score, lambda n, x=x, y=y: heat_map(self.compared, score, x, y, n))
            for x, y in combinations(offered, 2)
            if not _tied(x, y)
        }
        return {name: panels for name, panels in made.items() if panels}

    def _panels(self, score: Score, draw: Any) -> list[Panel]:
        numbers = range(len(score.protocols))
        return [Panel(score.protocols.label(n), plot) for n in numbers if (plot := draw(n)) is not None]

    def _rate_distortion(self) -> list[Panel]:
        kl, recon = self.compared.scores.get("kl"), self.compared.scores.get("recon")
        if kl is None or recon is None:
            return []
        groups = alike(self.compared, [run for run in self.compared.order if run in kl.values])
        plots = ((label, scatter(self.compared, kl, recon, runs, "Rate and distortion on test images"))
                 for label, runs in groups.items())  # fmt: skip
        return [Panel(label, plot) for label, plot in plots if plot is not None]

    def _pareto(self, objectives: Any) -> Iterator[Panel]:
        """Panels of two objectives ``[[score, "min"], [score, "max"]]``, one per pair of protocols."""
        try:
            ends = [(self.compared.scores[str(name).removeprefix("test/")], way) for name, way in objectives]
        except (TypeError, ValueError, KeyError):
            return
        if len(ends) != 2 or not {way for _, way in ends} <= {"min", "max"}:
            return
        (x, _), (y, _) = ends
        pairs = {run: (x.protocols.of[run], y.protocols.of[run]) for run in x.values if run in y.values}
        for pair in sorted(set(pairs.values())):
            plot = pareto(self.compared, ends, [run for run, found in pairs.items() if found == pair])
            if plot is not None:
                yield Panel(f"{x.protocols.label(pair[0])}; {y.protocols.label(pair[1])}", plot)


def columns_order(column: str) -> int:
    """The loss first, then its terms as they come."""
    return 0 if column.endswith("/loss") else 1


def _tied(x: Setting, y: Setting) -> bool:
    """Whether one says the other: k2 and the share of reconstruction."""
    pairs = set(zip(x.values, y.values))
    return len(pairs) <= max(len(set(x.values)), len(set(y.values))) and len(set(x.values)) == len(set(y.values))
