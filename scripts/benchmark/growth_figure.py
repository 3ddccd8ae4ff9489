"""Draw the growth of cost as one figure: a panel per varied setting, with logarithmic axes."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator
from race_tables import threads
from results import Results, Row

from vae_lab.figures.style import BLUE, GREY, ORANGE, new_figure
from vae_lab.system.files import write_atomically

STYLES = {"dense": (BLUE, "o-"), "cnn": (ORANGE, "s--"), "sequence": (BLUE, "o-"), "joblib": (ORANGE, "s--"),
          "vectorized": (GREY, "^:")}  # fmt: skip
PANELS = (
    ("images", "images per epoch", "epoch_seconds", "seconds per epoch"),
    ("pixels", "pixels of an image (3 channels)", "step_seconds", "seconds per step"),
    ("latent_dim", "latent_dim", "step_seconds", "seconds per step"),
    ("batch size", "images per batch", "step_seconds", "seconds per step"),
    ("runs", "runs in a sweep (dense)", "sweep_seconds", "seconds for the sweep"),
)


def draw(results: Results, path: Path) -> None:
    """Write a figure with the panels for which there are measurements."""
    panels = [panel for panel in PANELS if any(row["axis"] == panel[0] for row in results.growth)]
    rows = -(-len(panels) // 3)
    machine = results.machine
    about = f"{machine['processor']}, {threads(machine)}, batch 128 and 28×28×1 unless it varies"
    figure = new_figure(10, 3.1 * rows + 0.4, "What vae-lab's training costs", about)
    every = list(figure.subplots(rows, min(3, len(panels)), squeeze=False).flat)
    for axes, (axis, x_label, value, y_label) in zip(every, panels):
        _panel(axes, [row for row in results.growth if row["axis"] == axis], value)
        axes.set(xlabel=x_label, ylabel=y_label)
    for unused in every[len(panels) :]:
        unused.set_axis_off()
    with write_atomically(path, "wb") as file:
        figure.savefig(file, format="png")


def _panel(axes: Axes, rows: list[Row], value: str) -> None:
    for model in dict.fromkeys(row["model"] for row in rows):
        points = sorted((row["value"], row[value]) for row in rows if row["model"] == model)
        colour, style = STYLES[model]
        axes.plot(*zip(*points), style, color=colour, label=model, markersize=4)
    axes.set(xscale="log", yscale="log")
    marks = sorted({row["value"] for row in rows})
    axes.set_xticks(marks, [f"{mark:,}" for mark in marks])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
