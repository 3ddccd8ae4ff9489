"""``vae-lab compare``: shows runs side by side in a table, a CSV file, tables for papers, plots, and one HTML page."""

import time
import webbrowser
from pathlib import Path

from rich.console import Console

from vae_lab.compare import write_comparison
from vae_lab.compare.folders import resolve
from vae_lab.config.node import Node
from vae_lab.config.paths import expanded
from vae_lab.config.schema import check
from vae_lab.config.settings import CompareConfig
from vae_lab.runs.folders import is_run


def compare(config: Node, console: Console) -> None:
    """Find the folders, choose where to write, and open the page if ``open=true`` was typed.

    Raises:
        UserError: a folder does not exist, or see :func:`vae_lab.compare.write_comparison`.
    """
    settings = check(CompareConfig, config)
    paths = resolve(settings.runs, "compare")
    out = expanded(settings.out) if settings.out else _default_out(paths)
    page = write_comparison(paths, out, console, settings.show, settings.grids, settings.figures.get("style"))
    if settings.open:
        webbrowser.open(page.absolute().as_uri())


def _default_out(paths: list[Path]) -> Path:
    """The sweep's folder if the only path is a sweep, else a new folder in outputs/compare."""
    if len(paths) == 1 and not is_run(paths[0]) and (paths[0] / "sweep.json").is_file():
        return paths[0]
    return Path("outputs") / "compare" / time.strftime("%Y-%m-%d_%H-%M-%S")
