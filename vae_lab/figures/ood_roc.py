"""ROC curves: the rate at which images of another kind are detected against the rate of false alarms."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from vae_lab.figures.style import BLUE, GREEN, GREY, ORANGE, class_colours, literal, new_figure, panels_in_a_row
from vae_lab.scores import Trained

_LINES = {"elbo": ("−ELBO", BLUE, "-"), "recon": ("recon", ORANGE, "--"), "kl": ("KL", GREEN, "-.")}
_FURTHER = ("#332288", "#CC6677", "#88CCEE", "#882255", "#DDCC77", "#AA4499")  # of Paul Tol, without the greens
_DASHES = ("-", "--", "-.", ":")
_KINDS = {"uniform": "uniform noise", "gaussian": "Gaussian noise", "rotated": "test images turned by 180°",
          "other_classes": "classes it was not trained on"}  # fmt: skip
_IN_A_ROW = 3


class OODROC:
    """One panel per kind of images, with one curve per score."""

    draws = ("ood",)

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``ood`` has no result."""
        panels = trained.scores.arrays.get("ood_roc")
        if not panels:
            return None
        n = trained.scores.protocol["ood"]["images"]
        title = f"Detection of other images: {n:,} of each kind against {n:,} test images"
        values = trained.scores.values
        areas = [{by: values[f"test/ood_auroc_{p['kind']}_{by}"] for by in p["found"]} for p in panels]
        named = [{**panel, "kind": _KINDS.get(panel["kind"], panel["kind"])} for panel in panels]
        return roc_figure(named, areas, title, trained.title)


def roc_figure(
    panels: Sequence[Mapping[str, Any]], areas: Sequence[Mapping[str, float]], title: str, subtitle: str
) -> Figure:
    """Draw ROC curves: one panel per kind of images, with one curve per score.

    Args:
        panels: ``kind``, the panel's title; ``found``, the share of images detected at equally spaced rates of false
            alarms from 0 to 1, by score; and ``labels``, the scores' names in the legend.
        areas: the area under every curve of each panel.
        title: what the figure shows.
        subtitle: a line below it.
    """
    columns = panels_in_a_row(min(len(panels), _IN_A_ROW if len(panels) != 4 else 2), 2.6)
    rows = -(-len(panels) // columns)
    most = max(len(panel["found"]) for panel in panels)
    figure = new_figure(3.2 * columns, (3.3 + 0.1 * most) * rows, title, subtitle)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes, panel, area in zip(grid.flat, panels, areas):
        _draw(axes, panel, area)
    for axes in grid[:, 0]:
        axes.set_ylabel("images detected (%)")
    return figure


def _draw(axes: Axes, panel: Mapping[str, Any], areas: Mapping[str, float]) -> None:
    """Draw the curves of one kind of images, with the areas under them in the legend."""
    lines = lines_of(panel["found"], panel.get("labels", {}))
    for score, detected in panel["found"].items():
        name, colour, line = lines[score]
        share = np.linspace(0, 100, len(detected))
        axes.plot(share, 100 * np.array(detected), line, color=colour, lw=1.8, label=f"{name}: {areas[score]:.3f}")
    axes.plot([0, 100], [0, 100], ":", color=GREY, lw=1, label="chance: 0.5")
    axes.set_title(literal(panel["kind"]))
    axes.set_xlabel("false alarms (%)")
    axes.set(xlim=(-2, 102), ylim=(-2, 102))
    axes.grid(alpha=0.3)
    columns = 2 if len(lines) < 4 else 1
    axes.legend(title="AUROC by score", loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns, frameon=False)


def lines_of(scores: Collection[str], labels: Mapping[str, str]) -> dict[str, tuple[str, ColorType, str]]:
    """The label, the colour and the dash of every score's curve; −ELBO, recon and KL always have the same ones.

    Args:
        scores: the names of the scores.
        labels: what they are called in the legend; a score that is missing is called by its name.
    """
    others = [score for score in scores if score not in _LINES]
    colours = _FURTHER if len(others) <= len(_FURTHER) else class_colours(len(others))
    drawn = {score: (labels.get(score, score), colour, _DASHES[i % 4]) for i, (score, colour) in
             enumerate(zip(others, colours, strict=False))}  # fmt: skip
    return {score: _LINES[score] if score in _LINES else drawn[score] for score in scores}
