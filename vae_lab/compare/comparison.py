"""Reads the runs, prints a table, and writes summary.csv, tables, plots/ and compare.html."""

from pathlib import Path

from rich.console import Console

from vae_lab.compare.compared import Compared
from vae_lab.compare.folders import run_folders
from vae_lab.compare.reading import read, read_sweep
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.errors import UserError
from vae_lab.runs.folders import is_run
from vae_lab.system.files import write_atomically

PAGE, SUMMARY = "compare.html", "summary.csv"
MARK = '<meta name="generator" content="vae-lab compare">'
SUMMARY_MARK = "run,status,reason,"  # the first columns of every summary


def write_comparison(
    paths: list[Path],
    out: Path,
    console: Console,
    show: list[str] | None = None,
    grids: int = 24,
    style: Node | None = None,
) -> Path:
    """Compare the runs in or below ``paths`` and return the path of the page.

    Args:
        paths: run folders, and folders above them.
        out: folder for compare.html, summary.csv, table.tex, table.md and plots/; the files of an earlier comparison
            are replaced.
        console: prints the table.
        show: names of the scores to show; None: a default selection.
        grids: number of runs, best first, whose samples and reconstructions are shown.
        style: the node ``figures.style`` for the plots; None: the default style.

    Raises:
        UserError: there are no runs, a score is unknown, or ``out`` holds the files of something else, in which case
            nothing has been written; or the files cannot be written.
    """
    folders, empty = run_folders(paths)
    if not folders:
        where = "this folder" if len(paths) == 1 else "these folders"
        names = ", ".join(map(str, paths))
        raise UserError(f"{names}: no run found in or below {where}; type vae-lab compare outputs/<date>")
    _refuse_foreign(out)
    compared = Compared([read(folder) for folder in folders], show)
    from vae_lab.compare.views.table import print_table

    print_table(console, compared)
    for path in empty:
        message = f"{path}: no run found in or below this folder"
        console.print(message, style="bold yellow", markup=False, highlight=False)
    page = _write(compared, out, grids, [read_sweep(path) for path in paths], style)
    message = f"The comparison is in {page}, its numbers in {out / SUMMARY} and, for papers, table.tex"
    console.print(message, markup=False, highlight=False, soft_wrap=True)
    return page


def _write(compared: Compared, out: Path, grids: int, sweeps: list[Node], style: Node | None) -> Path:
    from vae_lab.compare.plots.plotted import Plotted
    from vae_lab.compare.views.grids import best_first, read_grids
    from vae_lab.compare.views.page import page_of
    from vae_lab.compare.views.papers import write_tables
    from vae_lab.compare.views.pictures import write_pictures
    from vae_lab.compare.views.summary import as_utf8, write_summary

    plotted = Plotted(compared, sweeps)
    ranked, drawable = best_first(compared, grids)
    html = page_of(compared, plotted, read_grids(compared, ranked), drawable, MARK, out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        # The page is written first: by it, the next comparison recognises the other files.
        with write_atomically(out / PAGE, "wb") as file:
            file.write(as_utf8(html))
        write_summary(compared, out / SUMMARY)
        write_tables(compared, out)
        write_pictures(plotted, out / "plots", make(style) if style else None)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}); type out=<a writable folder>") from error
    return out / PAGE


def _refuse_foreign(out: Path) -> None:
    """Raise an error unless the files to be replaced were written by an earlier comparison."""
    if out.is_file() or (out.is_dir() and is_run(out)):
        raise UserError(f"out={out} is a {'file' if out.is_file() else 'run folder'}; type out=<another folder>")
    page, summary = out / PAGE, out / SUMMARY
    marked, mark = (page, MARK) if page.exists() else (summary, SUMMARY_MARK)  # a kill may have left no page
    ours = marked.is_file() and mark in marked.read_text(encoding="utf-8", errors="replace")[:2000]
    for path in (page, summary, *(out / name for name in ("table.tex", "table.md", "plots"))):
        if path.exists() and not ours:
            raise UserError(f"{path} already exists and was not written by vae-lab compare; type out=<another folder>")
