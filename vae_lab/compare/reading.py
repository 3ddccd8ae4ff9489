"""Reads run folders from their files alone, without torch and without building a model or a dataset.

A missing or damaged file never raises an error: the record states the problem, and the run becomes a marked row.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from vae_lab.config.node import Node
from vae_lab.system.files import YAML_LOADER, read_history

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


class _Damaged(Exception):
    pass


def read(folder: Path) -> Record:
    """Return the record of a run folder, whatever state the folder is in."""
    record = Record(folder, INTERRUPTED)
    try:
        if (folder / "config.yaml").exists():
            record.config = _config(folder / "config.yaml")
        _read_results(folder / "results.json", record)
    except _Damaged as error:
        record.status, record.reason = DAMAGED, str(error)
    _read_history(folder / "metrics.csv", record)
    if record.finished and not record.config:
        record.status, record.reason = DAMAGED, "config.yaml is missing"
    if record.finished:
        return record
    if (folder / "failure.json").exists():
        record.status, record.reason = FAILED, _failure(folder / "failure.json")
    elif record.status == INTERRUPTED:
        if record.config:
            epochs = len(record.history)
            record.reason = f"after {epochs} epoch{'s' if epochs > 1 else ''}" if epochs else "before the first epoch"
        else:
            record.status, record.reason = DAMAGED, "config.yaml is missing"
    return record


def read_sweep(folder: Path) -> Node:
    """Return the content of a sweep's ``sweep.json``; empty if the file is missing or damaged."""
    try:
        return _parsed(folder / "sweep.json", json.loads) if (folder / "sweep.json").exists() else {}
    except _Damaged:
        return {}


def _config(path: Path) -> Node:
    config = _parsed(path, lambda text: yaml.load(text, Loader=YAML_LOADER))
    seed = config.get("seed")
    groups = [config.get(key) or {} for key in ("choices", "objective", "likelihood", "dataset")]
    named = all(isinstance(group, dict) for group in groups) and isinstance(groups[-1].get("name"), str)
    if not named or not isinstance(seed, int) or isinstance(seed, bool):
        raise _Damaged("config.yaml is not the config of a run")
    return config


def _read_results(path: Path, record: Record) -> None:
    if not path.exists():
        return
    results = _parsed(path, json.loads)
    parts = {key: results.get(key) or {} for key in ("metrics", "intervals", "meanings", "protocol")}
    if not all(isinstance(part, dict) for part in parts.values()):
        raise _Damaged("results.json does not hold the results of a run")
    record.scores = {name: float(v) for name, v in parts["metrics"].items() if _is_number(v)}
    record.intervals = {name: (float(v[0]), float(v[1])) for name, v in parts["intervals"].items() if _is_pair(v)}
    record.meanings = {name: str(text) for name, text in parts["meanings"].items()}
    record.protocol = parts["protocol"]
    notes = results.get("notes")
    record.notes = [str(note) for note in notes] if isinstance(notes, list) else []
    record.status = FINISHED


def _read_history(path: Path, record: Record) -> None:
    try:
        rows = read_history(path)
        record.history = [row for row in rows if "epoch" in row]
    except (ValueError, TypeError, AttributeError, OSError):  # truncated rows, or the file of another program
        record.reason = record.reason or "metrics.csv is damaged"


def _failure(path: Path) -> str:
    try:
        return " ".join(str(_parsed(path, json.loads).get("reason", "no reason was recorded")).split())[:200]
    except _Damaged as error:
        return str(error)


def _parsed(path: Path, parse: Callable[[str], object]) -> Node:
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError, OSError, RecursionError) as error:
        raise _Damaged(f"{path.name} is damaged ({' '.join(str(error).split())[:80]})") from error
    if not isinstance(content, dict):
        raise _Damaged(f"{path.name} is damaged (not a mapping)")
    return content


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_number(v) and math.isfinite(v) for v in value)
