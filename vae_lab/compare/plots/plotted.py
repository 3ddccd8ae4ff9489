"""All plots of a comparison, arranged by what the user chooses on the page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from vae_lab.compare.compared import Compared
from vae_lab.compare.plots.against import against
from vae_lab.compare.plots.drawing import example_of, group_comparable, heat_map
from vae_lab.compare.plots.over_epochs import curves
from vae_lab.compare.plots.scatter import pareto, scatter
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import Setting
from vae_lab.config.node import Node
from vae_lab.figures.plots import Plot

AXES, PLACES = 8, 40  # settings offered as axes of heat maps, and the most values that such a setting may have


@dataclass(frozen=True)
class Panel:
    """A plot of comparable runs, with the label of their protocol or dataset."""

    label: str
    plot: Plot


Choices = dict[str, list[Panel]]  # choice -> one panel per protocol or dataset; the first choice is the default


class Plotted:
    """The plots of each section of the page.

    Args:
        compared: the runs.
        sweeps: contents of the sweep.json files, which name the objectives of a search.
    """

    def __init__(self, compared: Compared, sweeps: list[Node]) -> None:
        self.compared = compared
        self.single_curves = self._curves(averaged=False)
        self.curves = self._curves(averaged=True) if compared.seeded else self.single_curves
        self.against: dict[str, Choices] = {s.name: self._by_axis(s) for s in self._scores()}  # score -> setting
        self.heat_maps: dict[str, Choices] = {s.name: self._by_pair(s) for s in self._scores()}  # score -> pair
        self.against = {name: choices for name, choices in self.against.items() if choices}
        self.heat_maps = {name: choices for name, choices in self.heat_maps.items() if choices}
        self.rate_distortion = self._rate_distortion()
        self.pareto = [panel for sweep in sweeps for panel in self._pareto(sweep)]

    def _scores(self) -> list[Score]:
        """The shown scores, then the others without the floors, which are lines in the plots of their scores."""
        shown, scores = self.compared.show, self.compared.scores
        rest = [name for name in scores if name not in shown and not name.endswith("_floor")]
        return [scores[name] for name in [*shown, *rest]]

    def undrawn(self) -> list[str]:
        """Return sentences that explain why some scores have no plot although numeric settings vary."""
        axes = ", ".join(axis.name for axis in self.compared.axes)
        names: dict[str, list[str]] = {}
        for score in self._scores() if self.compared.axes else []:
            n = len(score.protocols)
            single = n > 1 and all(len(score.protocols.members(i)) == 1 for i in range(n))
            reason = f"each of {n} protocols has one run" if single else "no protocol has two values of one setting"
            if score.name not in self.against:
                names.setdefault(reason, []).append(score.name)
        return [f"{', '.join(scores)}: {reason}, so there is no plot over {axes}." for reason, scores in names.items()]

    def _curves(self, averaged: bool) -> Choices:
        columns = dict.fromkeys(c for record in self.compared.records for row in record.history[:1] for c in row)
        terms = [c for c in columns if c.startswith(("train/", "val/"))]
        groups = group_comparable(self.compared, range(len(self.compared.records)))
        choices = {
            column: [Panel(label, plot) for label, runs in groups.items()
                     if (plot := curves(self.compared, column, runs, averaged)) is not None]
            for column in sorted(terms, key=lambda c: (not c.startswith("val/"), columns_order(c)))
        }  # fmt: skip
        return {column: panels for column, panels in choices.items() if panels}

    def _by_axis(self, score: Score) -> Choices:
        choices = {
            axis.name: self._panels(score, partial(against, self.compared, score, axis)) for axis in self.compared.axes
        }
        return {name: panels for name, panels in choices.items() if panels}

    def _by_pair(self, score: Score) -> Choices:
        offered = [axis for axis in self.compared.axes if len(axis.distinct) <= PLACES][:AXES]
        choices = {
            f"{x.name} × {y.name}": self._panels(score, partial(heat_map, self.compared, score, x, y))
            for x, y in combinations(offered, 2)
            if not _one_to_one(x, y)
        }
        return {name: panels for name, panels in choices.items() if panels}

    def _panels(self, score: Score, draw: Callable[[int], Plot | None]) -> list[Panel]:
        """One panel per protocol whose number ``draw`` makes a plot of."""
        numbers = range(len(score.protocols))
        return [Panel(score.protocols.label(n), plot) for n in numbers if (plot := draw(n)) is not None]

    def _rate_distortion(self) -> list[Panel]:
        kl, recon = self.compared.scores.get("kl"), self.compared.scores.get("recon")
        if kl is None or recon is None:
            return []
        groups = group_comparable(self.compared, [run for run in self.compared.order if run in kl.values])
        plots = ((label, scatter(self.compared, kl, recon, runs, self._title_of_plane(runs)))
                 for label, runs in groups.items())  # fmt: skip
        return [Panel(label, plot) for label, plot in plots if plot is not None]

    def _title_of_plane(self, runs: list[int]) -> str:
        return f"Rate and distortion on test {example_of(self.compared, runs)}s"

    def _pareto(self, sweep: Node) -> Iterator[Panel]:
        """One panel per pair of protocols of a search's two objectives ``[[score, "min"], [score, "max"]]``."""
        try:
            objectives = [(self.compared.scores[str(name).removeprefix("test/")], way) for name, way in sweep["pareto"]]
        except (TypeError, ValueError, KeyError):  # one objective, no search, or scores that no run has
            return
        if len(objectives) != 2 or not {way for _, way in objectives} <= {"min", "max"}:
            return
        (x, _), (y, _) = objectives
        pairs = {run: (x.protocols.number_of[run], y.protocols.number_of[run]) for run in x.values if run in y.values}
        for pair in sorted(set(pairs.values())):
            plot = pareto(self.compared, objectives, [run for run, of_run in pairs.items() if of_run == pair])
            if plot is not None:
                yield Panel(f"{x.protocols.label(pair[0])}; {y.protocols.label(pair[1])}", plot)


def columns_order(column: str) -> int:
    """Return a sort key that puts the loss before its terms, which keep their order."""
    return 0 if column.endswith("/loss") else 1


def _one_to_one(x: Setting, y: Setting) -> bool:
    """Whether each setting determines the other, as k2 and the share of reconstruction do."""
    pairs = set(zip(x.values, y.values))
    return len(pairs) <= max(len(set(x.values)), len(set(y.values))) and len(set(x.values)) == len(set(y.values))
