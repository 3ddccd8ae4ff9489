"""Whether progress can be shown as one line that changes: on a terminal, and in notebooks that have ipywidgets."""

from importlib.util import find_spec

from rich.console import Console


def is_live(console: Console) -> bool:
    """Return whether what is shown on a console can be changed later; in a log file it cannot."""
    return console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
