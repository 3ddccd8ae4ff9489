"""Reads run folders from their files alone, without torch and without building a model or a dataset.

A missing or damaged file never raises an error: the record states the problem, and the run becomes a marked row.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from vae_lab.config.node import Node
from vae_lab.runs import content
from vae_lab.system.reading import Damaged

_TIME = re.compile(r"^\d\d-\d\d-\d\d-")
_PER_EXAMPLE = re.compile(r"(?:nats|squared errors) per (\w+)")
FINISHED, INTERRUPTED, FAILED, DAMAGED = "finished", "interrupted", "failed", "damaged"


@dataclass
class Record:
    """The contents of a run folder, as far as its files can be read."""

    path: Path
    status: str  # finished | interrupted | failed | damaged
    reason: str = ""  # why the run has no scores; for a finished run, which other file could not be read
    config: Node = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)  # 'test/elbo' etc.
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)  # 95 %
    meanings: dict[str, str] = field(default_factory=dict)
    protocol: Node = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # warnings that the run saved, e.g. that the posterior collapsed
    history: list[dict[str, float]] = field(default_factory=list)  # one row per epoch

    @property
    def finished(self) -> bool:
        """Whether the run has scores."""
        return self.status == FINISHED

    @property
    def one(self) -> str | None:
        """A single example of the run's dataset, as its scores name it: ``image``; None if they do not."""
        return next((found[1] for text in self.meanings.values() if (found := _PER_EXAMPLE.search(text))), None)

    @property
    def name(self) -> str:
        """The folder's name without the time of day."""
        return _TIME.sub("", self.path.resolve().name)

    @property
    def status_text(self) -> str:
        """The status, followed by the reason if there is one."""
        return f"{self.status}{';' if self.finished else ':'} {self.reason}" if self.reason else self.status


def read(folder: Path) -> Record:
    """Return the record of a run folder, whatever state the folder is in."""
    record = Record(folder, INTERRUPTED)
    try:
        record.history = content.history_of(folder)
    except Damaged as why:
        record.reason = why.named
    failed = _failure(folder)
    try:
        record.config = _config(folder)
        _read_results(folder, record)
    except Damaged as why:
        if not failed:
            record.status, record.reason = DAMAGED, why.named
    if failed and not record.finished:
        record.status, record.reason = FAILED, failed
    if record.status == INTERRUPTED:
        epochs = len(record.history)
        done = f"after {epochs} epoch{'s' if epochs > 1 else ''}" if epochs else "before the first epoch"
        record.reason = record.reason or done
    return record


def read_sweep(folder: Path) -> Node:
    """Return the aims of a sweep's search, ``pareto``; empty if it has none or if the file is missing or damaged."""
    try:
        return {"pareto": content.sweep_of(folder).pareto}
    except Damaged:
        return {}


def _config(folder: Path) -> Node:
    """The config, with what every view of the comparison reads of it."""
    config, path = content.config_of(folder), folder / content.CONFIG
    seed = config.get("seed")
    choices, objective, likelihood, dataset = (
        config.get(key) or {} for key in ("choices", "objective", "likelihood", "dataset")
    )
    if not all(isinstance(group, dict) for group in (choices, objective, likelihood, dataset)):
        raise Damaged(path, "is not the config of a run")
    if not isinstance(dataset.get("name"), str) or not isinstance(seed, int) or isinstance(seed, bool):
        raise Damaged(path, "is not the config of a run")
    return config


def _read_results(folder: Path, record: Record) -> None:
    results = content.results_of(folder)
    if results is None:
        return
    record.status, record.scores, record.meanings = FINISHED, results.metrics, results.meanings
    record.intervals, record.protocol, record.notes = results.intervals, results.protocol, results.notes


def _failure(folder: Path) -> str:
    """The reason why the run failed; empty if it did not."""
    if not (folder / content.FAILURE).exists():
        return ""
    try:
        return content.failure_in(folder) or "no reason was recorded"
    except Damaged as why:
        return why.named
