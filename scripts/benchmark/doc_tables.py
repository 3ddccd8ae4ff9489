"""Tables for the terminal and for Markdown, and the marked places in Markdown files that a script replaces."""

import re
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table as RichTable


@dataclass(frozen=True)
class Table:
    """A table of text, whose first column names the rows."""

    caption: str
    columns: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """The table in Markdown, with a bold caption above and numbers aligned to the right."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        table = "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)
        return f"**{self.caption}**\n\n{table}" if self.caption else table

    def show(self, console: Console) -> None:
        """Print the table on the terminal."""
        shown = RichTable(title=self.caption or None, title_justify="left", box=box.SIMPLE)
        for place, column in enumerate(self.columns):
            shown.add_column(column, justify="right" if place else "left")
        for row in self.rows:
            shown.add_row(*(cell.strip("*") for cell in row))
        console.print(shown)


def begin(name: str) -> str:
    """Return the marker before a place that is replaced."""
    return f"<!-- benchmark: {name} -->"


END = "<!-- end of benchmark -->"


def replaced(text: str, name: str, content: str) -> str:
    """Return the text with new content between the markers of ``name``; unchanged if it has no such markers.

    Raises:
        ValueError: a marker has no matching end marker.
    """
    if begin(name) not in text:
        return text
    pattern = re.escape(begin(name)) + r"\n.*?" + re.escape(END)
    new, count = re.subn(pattern, lambda _: f"{begin(name)}\n{content}\n{END}", text, count=1, flags=re.DOTALL)
    if not count:
        raise ValueError(f"{begin(name)} is followed by no {END}")
    return new
