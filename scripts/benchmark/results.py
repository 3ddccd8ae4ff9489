"""``results.json``: everything that was measured, written anew after each measurement, so that a stop loses little."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vae_lab.files import write_json

Row = dict[str, Any]


@dataclass
class Results:
    """One session on one machine.

    ``training`` holds one row per case, contestant and round; each part has its own rows.
    """

    machine: Row
    settings: Row
    training: list[Row] = field(default_factory=list)
    limits: list[Row] = field(default_factory=list)
    scoring: list[Row] = field(default_factory=list)
    startup: list[Row] = field(default_factory=list)
    growth: list[Row] = field(default_factory=list)
    profile: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # who or what, and why

    def write(self, path: Path) -> None:
        """Atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(self))


def read_results(path: Path) -> Results:
    """What :meth:`Results.write` wrote."""
    return Results(**json.loads(path.read_text(encoding="utf-8")))
