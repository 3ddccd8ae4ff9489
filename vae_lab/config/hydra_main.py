"""Lets Hydra compose a command's config and call its task, once or for every job of a Hydra sweep."""

import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, cast

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from vae_lab.config.composed import Composed
from vae_lab.config.composing import key_of, naming_the_word, settle_classifier
from vae_lab.config.conf import CONF
from vae_lab.config.hydra_errors import register_resolvers
from vae_lab.config.node import Node
from vae_lab.config.schema import SCHEMAS, check_settings
from vae_lab.config.settings import SweepConfig
from vae_lab.config.weights import settle_weights
from vae_lab.config.words import SWEEP_KEYS, refuse_unreadable
from vae_lab.errors import UserError

if TYPE_CHECKING:
    from hydra.conf import HydraConf

Task = Callable[[Composed], None]


class _Jobs:
    """The task as Hydra calls it, which keeps the errors of jobs instead of letting Hydra print them.

    Args:
        command: the command.
        task: carries out the command with a resolved config.
        tell: is told the name of each job of a Hydra sweep that failed, and its error.
    """

    def __init__(self, command: str, task: Task, tell: Callable[[str, Exception], None]) -> None:
        self.command, self.task, self.tell = command, task, tell
        self.failed: list[str] = []  # the names of jobs of a sweep
        self.error: Exception | None = None  # of a single run

    def __call__(self, config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        info = HydraConfig.get()
        folder = Path(info.runtime.output_dir)
        try:
            self.task(self._composed(config, info))
        except KeyboardInterrupt:
            _remove_empty(folder)
            raise
        except Exception as error:
            _remove_empty(folder)
            if not _is_multirun(info):
                self.error = error
                return
            self.failed.append(folder.name)
            self.tell(folder.name, error)

    def _composed(self, config: DictConfig, info: "HydraConf") -> Composed:
        if self.command == "train":
            settle_weights(config, {key_of(word) for word in info.overrides.task})
        plain = cast(Node, OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
        if self.command == "train":
            settle_classifier(plain, {key_of(word) for word in info.overrides.task})
        of_others = (*SweepConfig.model_fields, "trust") if self.command == "train" else ("trust",)
        check_settings(SCHEMAS[self.command], {k: v for k, v in plain.items() if k not in of_others})
        choices = info.runtime.choices.items()
        return Composed(
            plain,
            words=list(info.overrides.task),
            choices={k: v for k, v in choices if not k.startswith("hydra") and k not in SWEEP_KEYS},
            folder=Path(_as_typed(info.runtime.output_dir)),
            sweep=Path(info.sweep.dir).name if _is_multirun(info) else None,
            primary=str(info.job.config_name),
        )


def carry_out(
    command: str, options: list[str], overrides: list[str], task: Task, tell: Callable[[str, Exception], None]
) -> list[str]:
    """Carry out a command, or only print its config or facts about it if an option asks for that.

    Args:
        command: the name of the command and of its YAML file in ``conf/``.
        options: options of Hydra (see :mod:`vae_lab.config.words`).
        overrides: overrides of the config.
        task: carries out the command with a resolved config.
        tell: is told the name of each job of a Hydra sweep that failed, and its error.

    Returns:
        The names of the jobs of a Hydra sweep that failed.

    Raises:
        Exception: what the task raised, outside of a sweep.
        UserError: the config cannot be composed, or an option does not fit it.
    """
    refuse_unreadable(overrides)
    jobs = _Jobs(command, task, tell)
    prints = any(option.startswith(("--cfg", "--info")) for option in options)
    said = io.StringIO()
    try:
        # Errors of the task are kept; what is raised here is Hydra's own.
        quiet = redirect_stderr(said) if prints else nullcontext()
        with quiet, naming_the_word(command, overrides), _leaving_no_empty_folders():
            call_hydra(command, [*options, *overrides], jobs)
    except SystemExit as end:
        if end.code:
            raise UserError(" ".join(said.getvalue().split()) or f"Hydra cannot read {' '.join(options)}") from end
    if jobs.error:
        raise jobs.error
    return jobs.failed


def call_hydra(command: str, words: list[str], task: Callable[[DictConfig], None]) -> None:
    """Call Hydra with a command's config and words."""
    register_resolvers()
    sys.argv = [sys.argv[0], *words]
    hydra.main(version_base="1.3", config_path=str(CONF), config_name=command)(task)()


@contextmanager
def inside_python() -> Iterator[None]:
    """Let Hydra work inside of another program, such as a notebook, which finds everything as it was afterwards.

    Hydra reads ``sys.argv``, ends the program on errors unless a variable is set, and keeps one global state.
    """
    argv, trace = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    disabled = logging.root.manager.disable
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises errors instead of printing them
    logging.disable(max(disabled, logging.INFO))  # silences the libraries' progress reports
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        sys.argv = argv
        logging.disable(disabled)
        GlobalHydra.instance().clear()
        if trace is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
        else:
            os.environ["HYDRA_FULL_ERROR"] = trace


def _as_typed(path: str) -> str:
    """Return a path as the user would type it in the current folder."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path


def _is_multirun(info: "HydraConf") -> bool:
    """Return whether a job is one of a Hydra sweep."""
    return info.mode is not None and info.mode.name == "MULTIRUN"


@contextmanager
def _leaving_no_empty_folders() -> Iterator[None]:
    """Remove the folders that Hydra made for a sweep whose jobs cannot be composed."""
    before = _output_folders()
    try:
        yield
    except Exception:
        for folder in sorted(_output_folders() - before, reverse=True):
            if {path.name for path in folder.iterdir()} <= {"multirun.yaml"}:  # Hydra's record of the sweep
                (folder / "multirun.yaml").unlink(missing_ok=True)
                folder.rmdir()
        raise


def _output_folders() -> set[Path]:
    top = Path("outputs")
    return {path for path in (top, *top.glob("*"), *top.glob("*/*")) if path.is_dir()}


def _remove_empty(folder: Path) -> None:
    """Remove the run folder and its parents if they are empty: Hydra creates them before the task starts."""
    while folder != Path.cwd() and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
        if not folder.is_relative_to(Path.cwd()):
            break
