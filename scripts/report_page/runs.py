"""The runs of the report's experiments, found in the output of ``scripts/reproduce_report.sh``."""

from collections.abc import Callable
from pathlib import Path

from vae_lab.compare.reading import Record, read
from vae_lab.config.node import Node


class Report:
    """The runs of the report's experiments.

    Args:
        folder: the output of ``scripts/reproduce_report.sh``, with one folder per experiment.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def runs(self, experiment: str) -> list[Record]:
        """Return the finished runs of an experiment."""
        records = (read(path.parent) for path in sorted((self.folder / experiment).glob("*/results.json")))
        return [record for record in records if record.finished]

    def by(self, experiment: str, value: Callable[[Node], float]) -> dict[float, Record]:
        """Return the finished runs of an experiment by a number of their config, sorted by this number."""
        return dict(sorted((value(record.config), record) for record in self.runs(experiment)))
