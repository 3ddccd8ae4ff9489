"""The jobs of a sweep and their folders: which folder belongs to which job, and what it already holds."""

import hashlib
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vae_lab.config.names import choices_first, slug
from vae_lab.config.node import Node
from vae_lab.config.varied import Varied
from vae_lab.errors import UserError
from vae_lab.runs import state
from vae_lab.runs.content import SWEEP, sweep_of
from vae_lab.runs.formats import SweepRecord
from vae_lab.sweep.jobs import SweepJob
from vae_lab.system.files import write_json
from vae_lab.system.reading import Damaged

# Keys that change no score, so that sweeps which differ only in them are the same sweep.
_WITHOUT_EFFECT = ("data_dir", "logger", "launcher", "dry_run", "sweep", "vary", "hydra", "accelerator.kind",
                   "figures.style", "search.trials", "search.on_test")  # fmt: skip


@dataclass
class Sweep:
    """A sweep and its folder.

    Two invocations belong to the same sweep if the words that do not vary are the same. The values tried may differ.
    """

    folder: Path
    fixed: list[str]  # words that hold for all jobs
    varied: list[Varied]
    command: str  # as typed
    compose: Callable[[list[str]], Node]
    _known: dict[str, Path] = field(default_factory=dict)  # identity of a config -> folder that holds it
    _taken: set[Path] = field(default_factory=set)  # the folders of _known
    _damaged: set[Path] = field(default_factory=set)  # folders whose config cannot be read

    def open(self) -> None:
        """Read what the folder already holds.

        Raises:
            UserError: the folder holds another sweep, a single run, or something else.
        """
        if not self.folder.exists() or all(path.name.startswith(".") for path in self.folder.iterdir()):
            return  # hidden files: the lock of a sweep that was killed before it wrote its record
        advice = "type sweep=<another name>"
        if not (self.folder / SWEEP).is_file():
            raise UserError(f"{self.folder} already exists and is not the folder of a sweep; {advice}")
        # A damaged record is replaced: the jobs' own configs still show which folder belongs to which job.
        record = self._recorded() or SweepRecord(fixed=self.fixed, varied={})
        varying = {*record.varied, *(entry.key for entry in self.varied)}
        theirs, ours = _distinguishing(record.fixed, varying), _distinguishing(self.fixed, varying)
        if theirs != ours:
            old, new = (" ".join(words) or "the defaults" for words in (theirs, ours))
            raise UserError(f"{self.folder} holds another sweep, of {old} instead of {new}; {advice}")
        for path in sorted(self.folder.glob("*/config.yaml")):
            config = state.saved_config(path.parent)
            if config is None:
                self._damaged.add(path.parent)
            else:
                self._known.setdefault(state.identity(config), path.parent)
        self._taken = set(self._known.values())

    def _recorded(self) -> SweepRecord | None:
        """Return the content of ``sweep.json``; None if it is missing or damaged."""
        try:
            return sweep_of(self.folder)
        except Damaged:
            return None

    def record(self, **more: object) -> None:
        """Write ``sweep.json``, which the next invocation and comparisons read."""
        varied: dict[str, list[object]] = {entry.key: [*(entry.values or entry.span or ())] for entry in self.varied}
        earlier = self._recorded()
        for key, values in earlier.varied.items() if earlier else ():  # values of earlier invocations are kept
            varied[key] = [*values, *(value for value in varied.get(key, []) if value not in values)]
        fixed = _distinguishing(self.fixed, set())
        write_json(self.folder / SWEEP, {"command": self.command, "fixed": fixed, "varied": varied, **more})

    def job(self, words: list[str]) -> SweepJob:
        """Return the job of these words, in the folder that already holds the same config or else in a new one.

        Raises:
            Exception: the config cannot be composed.
        """
        config = self.compose(words)
        same = state.identity(config)
        folder = self._known.get(same) or self._new_folder(words, same)
        if folder in self._damaged:
            raise UserError(f"{folder / 'config.yaml'} is damaged; remove {folder} to run the job again")
        self._known[same] = folder
        self._taken.add(folder)
        command = shlex.join(["vae-lab", "train", *self.fixed, *words])
        return SweepJob(folder.name, folder, words, config, self.folder.name, command)

    def failed_job(self, words: list[str]) -> SweepJob:
        """Return the job of words that do not compose a valid config."""
        folder = self._new_folder(words, "")
        return SweepJob(folder.name, folder, words, {}, self.folder.name, "")

    def _new_folder(self, words: list[str], same: str) -> Path:
        earlier = self.folder / slug(",".join(words))  # earlier versions kept the order of the words
        folder = earlier if words and earlier.exists() else self.folder / job_name(words)
        # The name is taken if a default has changed since, or if two lists of words give the same name.
        if folder in self._taken:
            folder = folder.with_name(f"{folder.name}-{hashlib.sha256(same.encode()).hexdigest()[:6]}")
        return folder


def job_name(words: Iterable[str]) -> str:
    """Return the name of a job's folder."""
    return slug(",".join(choices_first(words))) if words else "run"


def default_folder(parent: Path, fixed: list[str], varied: list[Varied]) -> Path:
    """Return the folder of a sweep. Its name does not depend on the values tried, so that values can be added.

    A folder that an earlier version made, with the words of the name in the order of the alphabet, is found, too.
    """
    words = _distinguishing(fixed, set())
    over = "-".join(["over", *(entry.key for entry in varied)]) if varied else ""
    folder, earlier = (parent / _name_of([*order, over]) for order in (choices_first(words), words))
    return earlier if earlier.exists() else folder


def _name_of(words: list[str]) -> str:
    return slug(",".join(word.removeprefix("experiment=") for word in words).replace("/", "-"))


def _distinguishing(fixed: list[str], varying: set[str]) -> list[str]:
    """Return, sorted, the fixed words that distinguish sweeps: those that change scores and whose key does not vary."""
    keys = {word: word.partition("=")[0].lstrip("+~") for word in fixed}
    return sorted(
        word
        for word, key in keys.items()
        if key not in varying and not any(key == other or key.startswith(f"{other}.") for other in _WITHOUT_EFFECT)
    )
