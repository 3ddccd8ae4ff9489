"""``results.json``: everything that was measured, written anew after each measurement, so that a stop loses little."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vae_lab.system.files import write_json

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


def joined(sessions: Sequence[Results]) -> Results:
    """Several sessions as one: rounds are numbered on; of the other parts the last one counts.

    Raises:
        SystemExit: they are not of one machine with as many threads.
    """
    whole, *others = sessions
    for one in others:
        for key in ("processor", "device", "kind", "threads"):
            if one.machine[key] != whole.machine[key]:
                raise SystemExit(f"sessions of different machines: {key} {whole.machine[key]} and {one.machine[key]}")
        first = 1 + max((row["round"] for row in [*whole.training, *whole.limits]), default=-1)
        for name in ("training", "limits"):
            getattr(whole, name).extend({**row, "round": first + row["round"]} for row in getattr(one, name))
        for name in ("scoring", "startup", "growth", "profile"):
            setattr(whole, name, getattr(one, name) or getattr(whole, name))
        known = {(case["model"], case["side"], case["batch"]) for case in whole.settings["cases"]}
        new = [case for case in one.settings["cases"] if (case["model"], case["side"], case["batch"]) not in known]
        whole.settings["cases"] += new
        whole.skipped |= one.skipped
        whole.machine["load_after"] = one.machine.get("load_after", one.machine["load_before"])
    return whole


def read_results(path: Path) -> Results:
    """What :meth:`Results.write` wrote."""
    return Results(**json.loads(path.read_text(encoding="utf-8")))
