"""Which jobs a sweep has, which folder belongs to each, and what there is to do."""

import hashlib
import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vae_lab.config.varied import Varied
from vae_lab.errors import UserError
from vae_lab.runs import state
from vae_lab.sweep.jobs import SweepJob
from vae_lab.system.files import write_json

RECORD = "sweep.json"
_ASIDE = ("data_dir", "logger", "launcher", "dry_run", "sweep", "vary", "hydra", "accelerator.kind",
          "search.trials")  # fmt: skip  # they change no number


@dataclass
class Sweep:
    """One sweep and its folder.

    Two starts are of one sweep when the words that do not vary are the same; which values are tried may differ.
    """

    folder: Path
    fixed: list[str]  # words that hold for all jobs
    varied: list[Varied]
    command: str  # as typed
    compose: Callable[[list[str]], dict[str, Any]]
    _known: dict[str, Path] = field(default_factory=dict)  # identity of a config -> folder that holds it
    _damaged: set[Path] = field(default_factory=set)  # folders whose config cannot be read

    def open(self) -> None:
        """Look at what the folder holds already.

        Raises:
            UserError: another sweep, a single run, or something else.
        """
        if not self.folder.exists() or not any(self.folder.iterdir()):
            return
        other = "type sweep=<another name>"
        if not (self.folder / RECORD).is_file():
            raise UserError(f"{self.folder} is there already and is not the folder of a sweep; {other}")
        told = self._recorded()
        theirs = told.get("fixed", self.fixed)  # a damaged record is written again: configs tell the jobs apart
        loose = {*told.get("varied", {}), *(one.key for one in self.varied)}
        if _told(theirs, loose) != _told(self.fixed, loose):
            shown = " ".join(_told(theirs, loose)) or "the defaults"
            mine = " ".join(_told(self.fixed, loose)) or "the defaults"
            raise UserError(f"{self.folder} holds another sweep, of {shown} instead of {mine}; {other}")
        for path in sorted(self.folder.glob("*/config.yaml")):
            config = state.saved_config(path.parent)
            if config is None:
                self._damaged.add(path.parent)
            else:
                self._known.setdefault(state.identity(config), path.parent)

    def _recorded(self) -> dict[str, Any]:
        """``sweep.json``; empty where it is damaged."""
        try:
            told = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
            return {"fixed": [str(word) for word in told["fixed"]], "varied": dict(told["varied"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def record(self, **more: Any) -> None:
        """Write ``sweep.json``: what the folder is, for the next start and for comparisons."""
        varied: dict[str, list[Any]] = {one.key: [*(one.values or one.span or ())] for one in self.varied}
        for key, values in self._recorded().get("varied", {}).items():  # values of earlier starts stay on record
            varied[key] = [*values, *(value for value in varied.get(key, []) if value not in values)]
        fixed = _told(self.fixed, set())
        write_json(self.folder / RECORD, {"command": self.command, "fixed": fixed, "varied": varied, **more})

    def job(self, words: list[str]) -> SweepJob:
        """The job of these words, in the folder that holds the same config, or in one of its own.

        Raises:
            Exception: the config cannot be composed.
        """
        config = self.compose(words)
        same = state.identity(config)
        folder = self._known.get(same) or self._new_folder(words, same)
        if folder in self._damaged:
            raise UserError(f"{folder / 'config.yaml'} is damaged; remove {folder} to run the job again")
        self._known[same] = folder
        command = shlex.join(["vae-lab", "train", *self.fixed, *words])
        return SweepJob(folder.name, folder, words, config, self.folder.name, command)

    def failed_job(self, words: list[str]) -> SweepJob:
        """The job of words that no config can be composed of."""
        folder = self._new_folder(words, "")
        return SweepJob(folder.name, folder, words, {}, self.folder.name, "")

    def _new_folder(self, words: list[str], same: str) -> Path:
        folder = self.folder / name_of(words)
        if folder in self._known.values():  # taken: a default has changed since, or two words are one slug
            folder = folder.with_name(f"{folder.name}-{hashlib.sha256(same.encode()).hexdigest()[:6]}")
        return folder


def name_of(words: Iterable[str]) -> str:
    """Of a job's folder."""
    from vae_lab.config.hydra_errors import slug

    return slug(",".join(words)) if words else "run"


def default_name(fixed: list[str], varied: list[Varied]) -> str:
    """The same for the same words; which values are tried does not enter, so that values can be added."""
    from vae_lab.config.hydra_errors import slug

    named = [word.removeprefix("experiment=") for word in _told(fixed, set())]
    over = ["over", *(one.key for one in varied)] if varied else []
    return slug(",".join([*named, "-".join(over)]).replace("/", "-"))


def _told(fixed: list[str], loose: set[str]) -> list[str]:
    """The fixed words that tell sweeps apart, in one order."""
    keys = {word: word.partition("=")[0].lstrip("+~") for word in fixed}
    kept = {w for w, k in keys.items() if k not in loose and not any(k == a or k.startswith(f"{a}.") for a in _ASIDE)}
    return sorted(kept)
