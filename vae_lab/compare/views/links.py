"""The way from a row of the page to its run: folder, files, figures, W&B run, and the commands that made it."""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

from vae_lab.compare.reading import Record
from vae_lab.config.node import Node
from vae_lab.runs.content import CONFIG, ENVIRONMENT, EXPLORER, HISTORY, RESULTS
from vae_lab.system.reading import Damaged, printable, read_json

_FILES = (CONFIG, RESULTS, HISTORY, ENVIRONMENT, "anomaly_scores.csv")
_PICTURES = (".png", ".gif", ".pdf", ".svg")
_MOST = 60  # figures listed
_ID = re.compile(r"\w{1,64}")


class RunLinks(TypedDict):
    """What the page tells about a run, under the keys that page_runs.js reads."""

    name: str
    folder: str  # as the user typed it
    href: str  # the folder as an address relative to the page; ends with /
    files: list[str]  # addresses relative to the folder
    figures: list[str]
    explorer: (
        str  # the address of the page that `vae-lab explore` wrote, relative to the folder; empty if there is none
    )
    typed: str  # the command that trained the run; empty if it is not known
    begun: str  # the run that it was begun from; empty if it was not
    again: str  # the command that trains it again from its config
    wandb: str  # the W&B run, in words; empty if there is none
    sync: str  # the command that uploads it; empty if it was not offline


def links_of(record: Record, out: Path) -> RunLinks:
    """Return the way to a run.

    Args:
        record: the run.
        out: the folder of the page.
    """
    folder, environment = record.path, _environment(record.path)
    repeat = ["vae-lab", "train", f"--config-dir={folder}", "--config-name=config", "hydra.run.dir=<another folder>"]
    figures = (path.name for path in _sorted(folder / "figures") if path.suffix in _PICTURES)
    wandb, sync = _wandb(record, environment)
    return {
        "name": record.name,
        "folder": str(folder),
        "href": _address(os.path.relpath(folder.resolve(), out.resolve())) + "/",
        "files": [_address(name) for name in _FILES if (folder / name).is_file()],
        "figures": [f"figures/{_address(name)}" for name in figures][:_MOST],
        "explorer": EXPLORER if (folder / EXPLORER).is_file() else "",
        "typed": _command(environment),
        "begun": _begun(environment),
        "again": shlex.join(repeat[:-1]) + f" {repeat[-1]}" if record.config else "",
        "wandb": wandb,
        "sync": sync,
    }


def _environment(folder: Path) -> Node:
    try:
        return read_json(folder / ENVIRONMENT)
    except Damaged:
        return {}


def _command(environment: Node) -> str:
    """The command that was typed, quoted anew: a shell would carry out more if someone else wrote the file."""
    try:
        words = shlex.split(str(environment.get("command", ""))[:4000])
    except ValueError:
        return ""
    return shlex.join(words) if words[:2] == ["vae-lab", "train"] else ""


def _begun(environment: Node) -> str:
    for key, what in (("continues", "from"), ("init", "with the weights of")):
        about = environment.get(key)
        if isinstance(about, dict):
            return printable(f"{what} {Path(str(about.get('run'))).name}, after epoch {about.get('epoch')}")
    return ""


def _wandb(record: Record, environment: Node) -> tuple[str, str]:
    logger, run_id = record.config.get("logger"), environment.get("run_id")
    if not isinstance(logger, dict) or "wandb" not in str(logger.get("_target_")) or not _ID.fullmatch(str(run_id)):
        return "", ""
    offline = [path for path in _sorted(record.path / "wandb") if path.name.startswith("offline-run-")]
    sync = shlex.join(["wandb", "sync", *map(str, offline)]) if offline else ""
    return f"run {run_id} of the project {logger.get('project')}{', offline' if offline else ''}", sync


def _sorted(folder: Path) -> Iterable[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return ()


def _address(path: str) -> str:
    """A path as a relative address, in which no part of a name has a meaning of its own, such as ``javascript:``."""
    return quote(path.replace(os.sep, "/"), safe="/", errors="replace")
