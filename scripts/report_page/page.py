"""Puts the sections into one HTML page that needs no other files."""

import base64
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from string import Template

from plotly.offline import get_plotlyjs

import vae_lab.compare
from report_page.runs import Report
from report_page.section import Section
from vae_lab.compare.views.interactive import figure

CSS = (Path(vae_lab.compare.__file__).parent / "views" / "page.css").read_text(encoding="utf-8")
PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")


def page(content: list[Section], folder: Path) -> str:
    """Return the page as HTML that needs no other files.

    Args:
        content: the sections.
        folder: the output of ``scripts/reproduce_report.sh``.
    """
    plots = [plot for section in content for plot in section.plots]
    numbers = iter(range(len(plots)))
    body = "\n".join(_section(number, section, numbers) for number, section in enumerate(content, 1))
    data = json.dumps([figure(plot) for plot in plots], separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "runs": escape(_scale(Report(folder))),
        "css": CSS,
        "folder": escape(str(folder)),
        "body": body,
        "data": data,
        "plotly": get_plotlyjs(),
    }
    return Template(PAGE).substitute(parts)


def _scale(report: Report) -> str:
    """The number of runs, epochs and images, so that nobody mistakes a scaled-down reproduction for the full one."""
    parts = []
    for experiment in ("latent_dim", "latent_dim_as_run", "loss_weights", "dense_epochs", "dense_noise", "robustness"):
        configs = [record.config for record in report.runs(experiment)]
        if configs:
            epochs = " and ".join(sorted({str(config["epochs"]) for config in configs}, key=int))
            limit = configs[0]["dataset"]["limit"]
            images = f"{limit:,} training images" if limit else "all training images"
            parts.append(
                f"{experiment}: {len(configs)} run{'s' if len(configs) > 1 else ''}, {epochs} epochs, {images}"
            )
    full = "The report trained for 50 (latent_dim), 20 to 30 (loss_weights), 20 and 50 (dense) epochs on all images."
    return f"{full} Here: {'; '.join(parts)}."


def _section(number: int, section: Section, numbers: Iterator[int]) -> str:
    plots = "".join(f'<div class="plot" id="plot{next(numbers)}"></div>' for _ in section.plots)
    pictures = "".join(_picture(path, caption) for path, caption in section.pictures)
    return (
        f"<section><h2>{number}. {escape(section.title)}</h2>"
        f"<p><b>The report:</b> {escape(section.states)}</p><p><b>Here:</b> {escape(section.seen)}</p>"
        f"{plots}{pictures}</section>"
    )


def _picture(path: Path, caption: str) -> str:
    if not path.is_file():
        return f'<figure class="missing"><p>{escape(caption)}: no picture ({escape(path.name)} is missing)</p></figure>'
    data = base64.b64encode(path.read_bytes()).decode()
    source = f"data:image/png;base64,{data}"
    return f'<figure><figcaption>{escape(caption)}</figcaption><img alt="{escape(caption)}" src="{source}"></figure>'
