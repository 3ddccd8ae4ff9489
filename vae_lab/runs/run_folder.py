"""Opens run folders, for resuming, evaluating, sampling and notebooks."""

from collections.abc import Sequence
from pathlib import Path

from vae_lab.config.node import Node
from vae_lab.config.schema import check
from vae_lab.config.settings import TrainConfig
from vae_lab.config.trust import Untrusted, refuse_untrusted, trusting
from vae_lab.errors import NoSuchModule, UserError
from vae_lab.runs import content
from vae_lab.runs.folders import is_run, runs_in
from vae_lab.runs.run import Run
from vae_lab.system.reading import Damaged, damaged
from vae_lab.types import RunPath


def load_run(path: RunPath, key: str = "run", trust: Sequence[str] = ()) -> Run:
    """Read a run folder.

    Args:
        path: the folder.
        key: the option that the user typed the folder for, named in messages.
        trust: packages outside vae_lab whose classes the run's config may name, as in ``trust=["mylab"]``. They can do
            anything, and so can whoever has written the config with them.

    Raises:
        UserError: it is not a run folder, a file in it is damaged, or it names a class that is not trusted or cannot be
            imported.
    """
    folder = Path(path)
    _refuse_other_folder(folder, key)
    content.refuse_misplaced(folder)
    config = content.config_of(folder)
    if "images" in config:
        raise UserError(f"{key}={path}: this is not a trained run but scores of given images; they are in results.json")
    _check(folder, config, trust)
    environment, results = content.environment_of(folder), content.results_of(folder)
    return Run(
        path=folder,
        config=config,
        status=results.status if results else "interrupted",
        scores=results.metrics if results else {},
        protocol=results.protocol if results else {},
        arrays=results.arrays if results else {},
        intervals=results.intervals if results else {},
        meanings=results.meanings if results else {},
        notes=results.notes if results else [],
        environment=environment,
        history=content.history_of(folder),
        trust=trust,
    )


def load_finished(path: RunPath) -> Run:
    """Read the folder of a run that has been trained and scored.

    Raises:
        UserError: as in :func:`load_run`, and if the run is not finished.
    """
    run = load_run(path)
    if run.status != "finished":
        raise UserError(f"run={path} is not finished; type vae-lab train resume={path}")
    return run


def _check(folder: Path, config: Node, trust: Sequence[str]) -> None:
    path = folder / content.CONFIG
    try:
        with trusting(trust):
            refuse_untrusted(config)
            check(TrainConfig, config)
    except (NoSuchModule, Untrusted) as why:
        raise type(why)(f"{path}: {why}") from why
    except UserError as why:
        raise damaged(path, why).advised("restore the file, or remove the folder and train the run again") from why


def _refuse_other_folder(folder: Path, key: str) -> None:
    """Refuse a path that is not a run folder.

    Raises:
        UserError: says what it is, and what to type instead.
    """
    advice = f"type {key}=outputs/<date>/<run>"
    if not folder.is_dir():
        what = "a file, not a run folder" if folder.is_file() else "no such folder"
        raise UserError(f"{key}={folder}: {what}; {advice}")
    if is_run(folder):
        if not (folder / content.CONFIG).exists():
            config = Damaged(folder / content.CONFIG, "is missing")
            raise config.advised("restore the file, or remove the folder and train the run again")
        return
    runs = [run.name for run in runs_in(folder)]
    if not runs:
        raise UserError(f"{key}={folder}: not a run folder (no config.yaml in it); {advice}")
    names = ", ".join(runs[:5]) + (f", … ({len(runs)} runs)" if len(runs) > 5 else "")
    again = f", or {content.sweep_command(folder)}" if key == "resume" and content.sweep_command(folder) else ""
    raise UserError(f"{key}={folder}: a folder of several runs; type {key}={folder / runs[0]}{again}; runs: {names}")
