"""Which options of conf/ have no check."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from check_science.checks import Check

GROUPS = ("objective", "likelihood", "posterior", "prior", "quantizer", "sampler", "metrics", "scores", "beta_schedule")


def options(conf: Path) -> set[tuple[str, str]]:
    """The options of the groups that define a density, a loss or a score.

    Files whose names begin with an underscore hold shared settings. Groups of metrics or of anomaly scores are lists of
    single ones.
    """
    found = set()
    for group in GROUPS:
        for path in (conf / group).glob("[!_]*.yaml"):
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            if group not in ("metrics", "scores") or (content and "defaults" not in content):
                found.add((group, path.stem))
    return found


def without_check(conf: Path, checks: Iterable[Check]) -> list[str]:
    """The options that no check compares with anything, as ``group/name``."""
    return sorted("/".join(one) for one in options(conf) - {(check.kind, check.name) for check in checks})
