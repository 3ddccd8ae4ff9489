"""``vae-lab detect against=``: how well each of two runs detects the test images of the other one's dataset.

Both ways are measured, because a score that works in one way can fail in the other: a model of clothes may give higher
likelihoods to digits than to clothes, while a model of digits finds every piece of clothing.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import Tensor

from vae_lab.config.node import Node
from vae_lab.errors import UserError
from vae_lab.evaluation.parts import anomaly_scores_of, style_of
from vae_lab.evaluation.trained import Evaluation
from vae_lab.figures.ood_roc import roc_figure
from vae_lab.figures.saving import save_figure
from vae_lab.figures.style import drawn_in
from vae_lab.metrics.anomaly_scores.judged import AnomalyScore, Judged, finite, with_name
from vae_lab.metrics.common.auroc import auroc_on_resamples, roc
from vae_lab.metrics.common.detection import MEANINGS, detection
from vae_lab.metrics.common.resampling import bootstrap_protocol, interval, resamples
from vae_lab.report.terminal import print_notes
from vae_lab.system.files import write_csv, write_json

BOOTSTRAP = 100  # resamples for the intervals
FALSE_ALARMS = np.linspace(0, 1, 101)  # rates at which the ROC curves are drawn


def detect_pair(
    first: Evaluation, second: Evaluation, config: Node, n: int | None, folder: Path, console: Console
) -> None:
    """Write ``both_ways.csv``, ``both_ways.json`` and a figure of the ROC curves, and print the table.

    Args:
        first, second: the models with their data.
        config: the resolved config of the command, with the scores, which are made anew for each model, and the style.
        n: number of test images of each dataset, a fixed random choice; None: all.
        folder: where the files are written.
        console: shows progress and the table.

    Raises:
        UserError: the datasets are the same, or their images have other shapes.
    """
    _refuse_unlike(first, second)
    rows: list[dict[str, Any]] = []
    panels: list[dict[str, Any]] = []
    for model, other in ((first, second), (second, first)):
        scores = anomaly_scores_of(config)
        missing = {name: why for name, score in scores.items() if (why := model.lacks(score))}
        usable = {name: score for name, score in scores.items() if name not in missing}
        if model is second:  # the caller has told it of the first
            print_notes(console, [f"Trained on {model.data.name}: no {name}, {why}." for name, why in missing.items()])
        if usable:
            found, panel = _one_way(model, other, usable, n)
            rows += found
            panels.append(panel)
    write_csv(folder / "both_ways.csv", {key: [row[key] for row in rows] for key in rows[0]})
    about = {"models": [first.title, second.title], "meanings": MEANINGS, "anomalies": "the positive class",
             "interval": bootstrap_protocol(BOOTSTRAP, "images of both datasets"), "rows": rows}  # fmt: skip
    write_json(folder / "both_ways.json", about)
    areas = [{row["score"]: row["auroc"] for row in rows if row["trained_on"] == p["trained_on"]} for p in panels]
    style = style_of(config)
    with drawn_in(style):
        title = "Detection of the other dataset's test images, both ways"
        save_figure(roc_figure(panels, areas, title, first.title), folder, "both_ways", style)
    for panel in panels:
        console.print(_table([row for row in rows if row["trained_on"] == panel["trained_on"]]))


def _refuse_unlike(first: Evaluation, second: Evaluation) -> None:
    if first.data.name == second.data.name and first.data.normal == second.data.normal:
        raise UserError(f"against=: both runs are of {first.data.name}; name a run of another dataset")
    if tuple(first.data.x_shape) != tuple(second.data.x_shape):
        shapes = " and ".join("×".join(map(str, one.data.x_shape)) for one in (first, second))
        raise UserError(f"against=: the runs are of images of {shapes}; name a run of images of the same shape")


def _one_way(
    model: Evaluation, other: Evaluation, scores: Mapping[str, AnomalyScore], n: int | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of the table for one model, and its panel of the figure."""

    def received() -> Iterator[Tensor]:
        noise = model.noise(f"{other.data.name} as received")
        for x in other.data.clean("test", n):
            yield model.data.as_received(x.to(model.device), noise)

    rows, curves, labels = [], {}, {}
    for name, score in scores.items():
        score.fit(model)
        started = time.perf_counter()
        normal = Judged.of_split(model, "test", n, f"{model.data.name} test images")
        foreign = Judged(received, f"{other.data.name} test images")  # new ones, so that no score uses another's work
        outliers, inliers = (finite(score(model, judged)) for judged in (foreign, normal))
        took = time.perf_counter() - started
        counts = [resamples(len(part), BOOTSTRAP, model.seed + i) for i, part in enumerate((inliers, outliers))]
        rates = detection(outliers, inliers)
        low, high = interval(rates["auroc"], auroc_on_resamples(outliers, inliers, counts[1], counts[0]), high=1.0)
        rows.append({
            "trained_on": model.data.name, "anomalies": other.data.name, "score": name, **rates, "auroc_low": low,
            "auroc_high": high, "normal_images": len(inliers), "anomalous_images": len(outliers),
            "images_per_second": round((len(inliers) + len(outliers)) / took, 1),
        })  # fmt: skip
        curves[name] = roc(outliers, inliers, FALSE_ALARMS)
        labels[name] = with_name(name, score.label).rpartition(", ")[0]
    kind = f"trained on {model.data.name}, anomalies: {other.data.name}"
    return rows, {"kind": kind, "trained_on": model.data.name, "found": curves, "labels": labels}


def _table(rows: list[dict[str, Any]]) -> Table:
    """The rows of one model as a table for the terminal."""
    title = f"trained on {rows[0]['trained_on']}, anomalies: test images of {rows[0]['anomalies']}"
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    names = {
        "score": "score", "auroc": "AUROC", "aupr_out": "AUPR out", "aupr_in": "AUPR in", "fpr95": "FPR95",
        "images_per_second": "images/s",
    }  # fmt: skip
    for key, name in names.items():
        table.add_column(name, justify="left" if key == "score" else "right", no_wrap=True)
    for row in rows:
        numbers = [f"{row[key]:.3f}" for key in ("auroc", "aupr_out", "aupr_in", "fpr95")]
        table.add_row(row["score"], *numbers, f"{row['images_per_second']:,.0f}")
    return table
