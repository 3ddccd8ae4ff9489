"""Reads run folders by the hundred: their files alone, without torch and without building anything.

What is missing or damaged is told in the record, never raised: such a run is a marked row.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vae_lab.system.files import YAML_LOADER, read_history

_TIME = re.compile(r"^\d\d-\d\d-\d\d-")
FINISHED, INTERRUPTED, FAILED, DAMAGED = "finished", "interrupted", "failed", "damaged"

Node = dict[str, Any]


@dataclass
class Record:
    """A run folder as its files tell it."""

    path: Path
    status: str  # finished | interrupted | failed | damaged
    why: str = ""  # of the last three; for a finished one, what else could not be read
    config: Node = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)  # 'test/elbo' etc.
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)  # 95 %
    meanings: dict[str, str] = field(default_factory=dict)
    protocol: Node = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # as that the posterior collapsed
    history: list[dict[str, float]] = field(default_factory=list)  # one row per epoch

    @property
    def finished(self) -> bool:
        """Whether it has scores."""
        return self.status == FINISHED

    @property
    def name(self) -> str:
        """The folder's name without the time of day."""
        return _TIME.sub("", self.path.resolve().name)

    @property
    def told(self) -> str:
        """Status and reason in a few words."""
        return f"{self.status}{';' if self.finished else ':'} {self.why}" if self.why else self.status


class _Damaged(Exception):
    pass


def read(folder: Path) -> Record:
    """The record of a folder, whatever state it is in."""
    record = Record(folder, INTERRUPTED)
    try:
        if (folder / "config.yaml").exists():
            record.config = _config(folder / "config.yaml")
        _results(folder / "results.json", record)
    except _Damaged as why:
        record.status, record.why = DAMAGED, str(why)
    _history(folder / "metrics.csv", record)
    if record.finished and not record.config:
        record.status, record.why = DAMAGED, "config.yaml is missing"
    if record.finished:
        return record
    if (folder / "failure.json").exists():
        record.status, record.why = FAILED, _reason(folder / "failure.json")
    elif record.status == INTERRUPTED:
        if record.config:
            epochs = len(record.history)
            record.why = f"after {epochs} epoch{'s' if epochs > 1 else ''}" if epochs else "before the first epoch"
        else:
            record.status, record.why = DAMAGED, "config.yaml is missing"
    return record


def read_sweep(folder: Path) -> Node:
    """A sweep's ``sweep.json``; empty where there is none that can be read."""
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
        raise _Damaged("config.yaml is not that of a run")
    return config


def _results(path: Path, record: Record) -> None:
    if not path.exists():
        return
    found = _parsed(path, json.loads)
    parts = {key: found.get(key) or {} for key in ("metrics", "intervals", "meanings", "protocol")}
    if not all(isinstance(part, dict) for part in parts.values()):
        raise _Damaged("results.json is not that of a run")
    record.scores = {name: float(v) for name, v in parts["metrics"].items() if _number(v)}
    record.intervals = {name: (float(v[0]), float(v[1])) for name, v in parts["intervals"].items() if _pair(v)}
    record.meanings = {name: str(text) for name, text in parts["meanings"].items()}
    record.protocol = parts["protocol"]
    notes = found.get("notes")
    record.notes = [str(note) for note in notes] if isinstance(notes, list) else []
    record.status = FINISHED


def _history(path: Path, record: Record) -> None:
    try:
        rows = read_history(path)
        record.history = [row for row in rows if "epoch" in row]
    except (ValueError, TypeError, AttributeError, OSError):  # cut or foreign rows
        record.why = record.why or "metrics.csv is damaged"


def _reason(path: Path) -> str:
    try:
        return " ".join(str(_parsed(path, json.loads).get("reason", "no reason was written")).split())[:200]
    except _Damaged as why:
        return str(why)


def _parsed(path: Path, parse: Callable[[str], Any]) -> Node:
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError, OSError, RecursionError) as why:
        raise _Damaged(f"{path.name} is damaged ({' '.join(str(why).split())[:80]})") from why
    if not isinstance(content, dict):
        raise _Damaged(f"{path.name} is damaged (not a mapping)")
    return content


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_number(v) and math.isfinite(v) for v in value)
