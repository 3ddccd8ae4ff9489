"""``results.json``: all measurements. It is rewritten after each one, so that little is lost if the benchmark stops."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vae_lab.system.files import write_json

Row = dict[str, Any]


@dataclass
class Results:
    """The measurements of one session on one machine.

    ``training`` has one row per case, contestant and round; the other parts have their own kinds of rows.
    """

    machine: Row
    settings: Row
    training: list[Row] = field(default_factory=list)
    limits: list[Row] = field(default_factory=list)
    scoring: list[Row] = field(default_factory=list)
    startup: list[Row] = field(default_factory=list)
    storage: list[Row] = field(default_factory=list)
    growth: list[Row] = field(default_factory=list)
    profile: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # contestant or part -> the reason

    def write(self, path: Path) -> None:
        """Write the results atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(self))


def joined(sessions: Sequence[Results]) -> Results:
    """Return several sessions as one.

    The rounds of later sessions get the next numbers; of the other parts, the last measurement counts.

    Raises:
        SystemExit: the sessions are from different machines or numbers of threads.
    """
    total, *others = sessions
    for session in others:
        for key in ("processor", "device", "kind", "threads"):
            value = session.machine[key]
            if value != total.machine[key]:
                raise SystemExit(f"sessions of different machines: {key} {total.machine[key]} and {value}")
        first = 1 + max((row["round"] for row in [*total.training, *total.limits]), default=-1)
        for name in ("training", "limits"):
            getattr(total, name).extend({**row, "round": first + row["round"]} for row in getattr(session, name))
        for name in ("scoring", "startup", "storage", "growth", "profile"):
            setattr(total, name, getattr(session, name) or getattr(total, name))
        known = {(case["model"], case["side"], case["batch"]) for case in total.settings["cases"]}
        new = [case for case in session.settings["cases"] if (case["model"], case["side"], case["batch"]) not in known]
        total.settings["cases"] += new
        total.skipped |= session.skipped
        total.machine["load_after"] = session.machine.get("load_after", session.machine["load_before"])
    return total


def read_results(path: Path) -> Results:
    """Read the results that :meth:`Results.write` has written."""
    return Results(**json.loads(path.read_text(encoding="utf-8")))
