"""Writes ``table.tex`` and ``table.md``: the table of the comparison for a paper and for a text in Markdown."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vae_lab.compare.choosing import best_cells, how_marked
from vae_lab.compare.compared import Compared, Value
from vae_lab.compare.protocols import letter
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import format_setting
from vae_lab.compare.views.summary import as_utf8
from vae_lab.compare.views.table import format_runs, has_spread
from vae_lab.report.rounding import with_error
from vae_lab.system.files import write_atomically

LATEX, MARKDOWN = "table.tex", "table.md"
_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
        ">": r"\textgreater{}", "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "–": "--", "…": r"\ldots{}",
        **{character: f"\\{character}" for character in "&%$#_{}"}}  # fmt: skip
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True)
class Cell:
    """A value of a score."""

    value: str
    error: str  # empty if it has none
    best: bool
    protocol: str  # its letter; empty if the score has one protocol


def write_tables(compared: Compared, folder: Path) -> None:
    """Write both tables into a folder: a row for each finished run, or for the runs that differ only in their seed."""
    for name, of in ((LATEX, latex), (MARKDOWN, markdown)):
        with write_atomically(folder / name, "wb") as file:
            file.write(as_utf8(of(compared)))


def latex(compared: Compared) -> str:
    """Return a floating table of LaTeX, with the rules of the package booktabs."""
    names, numeric = _names(compared)
    columns = "".join("r" if number else "l" for number in numeric) + "r" * len(_scores(compared))
    head = [*map(_tex, names), *(f"{_tex(score.name)}{_direction(score, _TEX_WAYS)}" for score in _scores(compared))]
    lines = [
        r"% Written by vae-lab compare. It needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{_tex(_caption(compared, 'Bold'))}}}",
        r"  \label{tab:comparison}",
        f"  \\begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {' & '.join(head)} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(row)} \\\\" for row in _rows(compared, _tex, _tex_cell)),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def markdown(compared: Compared) -> str:
    """Return a table of Markdown, with its caption below."""
    names, numeric = _names(compared)
    scores = _scores(compared)
    head = [*map(_md, names), *(f"{_md(score.name)}{_direction(score, _MD_WAYS)}" for score in scores)]
    rule = ["---:" if number else "---" for number in numeric] + ["---:"] * len(scores)
    lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *_rows(compared, _md, _md_cell))]
    return "\n".join(lines) + f"\n\n{_md(_caption(compared, 'Bold'))}\n"


def _scores(compared: Compared) -> list[Score]:
    return [compared.scores[name] for name in compared.show]


def _names(compared: Compared) -> tuple[list[str], list[bool]]:
    """The names of the columns before the scores, and whether each holds numbers."""
    columns = [(s.name, s.numeric) for s in compared.settings] or [("run", False)]
    columns += [("seeds", True)] if compared.seeded else []
    return [name for name, _ in columns], [number for _, number in columns]


def _rows(compared: Compared, text: Callable[[str], str], shown: Callable[[Cell | None], str]) -> list[list[str]]:
    best = {score.name: best_cells(compared, score) for score in _scores(compared)}
    rows = []
    for runs in (cell.runs for cell in compared.cells if compared.records[cell.runs[0]].finished):
        row = [format_setting(s.values[runs[0]]) for s in compared.settings] or [compared.label_of(runs)]
        row += [str(len({compared.seed(run) for run in runs}))] if compared.seeded else []
        cells = [_cell(score, compared.value(score, runs), runs in best[score.name]) for score in _scores(compared)]
        rows.append([*map(text, row), *map(shown, cells)])
    return rows


def _cell(score: Score, value: Value | None, best: bool) -> Cell | None:
    if value is None:
        return None
    return Cell(*with_error(value.mean, value.spread), best, letter(value.protocol) if len(score.protocols) > 1 else "")


def _caption(compared: Compared, mark: str) -> str:
    """What the numbers are: the runs, the spread, what is marked by what, and the protocols."""
    common, scores = compared.common(), _scores(compared)
    finished = sum(record.finished for record in compared.records)
    spread = "half of the 95 % interval"
    spread = f"the standard deviation over seeds (n − 1), for a single run {spread}" if compared.seeded else spread
    sentences = [
        f"Scores of {format_runs(finished)}{f': {common}' if common else ''}",
        *([f"± is {spread}"] if has_spread(compared, scores, [cell.runs for cell in compared.cells]) else []),
        how_marked(compared, compared.show, mark),
    ]
    for score in scores:
        if len(score.protocols) > 1:
            sentences.append(f"{score.name}, {'; '.join(map(score.protocols.label, range(len(score.protocols))))}")
    return ". ".join(sentences) + "."


_TEX_WAYS = {"lower": r" $\downarrow$", "higher": r" $\uparrow$"}
_MD_WAYS = {"lower": " ↓", "higher": " ↑"}


def _direction(score: Score, ways: dict[str, str]) -> str:
    """An arrow towards better values."""
    return ways[score.better] if score.better else ""


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in _SPACE.sub(" ", text))


def _tex_cell(cell: Cell | None) -> str:
    if cell is None:
        return "--"
    number = " \\pm ".join(filter(None, (cell.value, cell.error))).replace("\N{MINUS SIGN}", "-")  # in mathematics
    number = re.sub(r"e([+-])0*(\d+)", lambda e: rf" \cdot 10^{{{e[1].strip('+')}{e[2]}}}", number)
    number = number.replace("nan", r"\mathrm{NaN}").replace("inf", r"\infty")
    raised = f"^{{\\mathrm{{{cell.protocol}}}}}" if cell.protocol else ""
    return f"$\\mathbf{{{number}}}{raised}$" if cell.best else f"${number}{raised}$"


def _md(text: str) -> str:
    return re.sub(r"([\\|*_`<\[\]])", r"\\\1", _SPACE.sub(" ", text))


def _md_cell(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    number = " ± ".join(filter(None, (cell.value, cell.error)))
    return (
        f"**{number}**{' ' * bool(cell.protocol)}{cell.protocol}" if cell.best else f"{number} {cell.protocol}".strip()
    )
