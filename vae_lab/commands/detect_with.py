"""The model of ``vae-lab detect``: that of a run, or those of a sweep over seeds."""

from pathlib import Path

from rich.console import Console

from vae_lab.config.devices import device_for
from vae_lab.config.node import Node
from vae_lab.config.settings_of_use import DetectConfig
from vae_lab.errors import UserError
from vae_lab.evaluation.trained import Evaluation
from vae_lab.report.following import tracker
from vae_lab.report.titles import title_of
from vae_lab.runs.folders import is_sweep, runs_in
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_run
from vae_lab.runs.state import status_of


def runs_of(typed: str, key: str, settings: DetectConfig) -> list[Run]:
    """Return the run of a folder, or the finished ones of a sweep over seeds, before their models and data are loaded.

    Args:
        typed: the folder.
        key: the option that it was typed for, named in messages.
        settings: the settings of the command.

    Raises:
        UserError: a run is not finished or not one of images, or the runs of the sweep differ in more than their seed.
    """
    folder = Path(typed)
    if is_sweep(folder):
        runs = [load_run(one, key, settings.trust) for one in runs_in(folder) if status_of(one) == "finished"]
        if not runs:
            raise UserError(f"{key}={typed}: none of the sweep's runs is finished")
        if len({_without_seed(run.config) for run in runs}) > 1:
            raise UserError(
                f"{key}={typed}: the runs of this sweep differ in more than their seed; type {key}={runs[0].path}"
            )
    else:
        runs = [load_run(folder, key, settings.trust)]
        if runs[0].status != "finished":
            raise UserError(f"{key}={typed} is not finished; type vae-lab train resume={typed}")
    for run in runs:
        run.data_dir = settings.data_dir
        if run.environment.get("values", {"kind": "images"})["kind"] != "images":
            raise UserError(f"{key}={typed}: this run is not one of images, which vae-lab detect judges")
    return runs


def trained_on(runs: list[Run], key: str, settings: DetectConfig, console: Console) -> Evaluation:
    """Return the model of the first run, with those of all of them as its ensemble.

    Args:
        runs, key, settings: see :func:`runs_of`.
        console: shows progress.

    Raises:
        UserError: the model cannot judge images without labels.
    """
    members = [_evaluation(run, key, settings, console) for run in runs]
    members[0].ensemble = members
    if len(members) > 1:
        first = runs[0].path
        line = f"{len(members)} runs of {first.parent.name}; scores other than waic are those of {first.name}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return members[0]


def _evaluation(run: Run, key: str, settings: DetectConfig, console: Console) -> Evaluation:
    if run.model.conditional:
        raise UserError(
            f"{key}={run.path}: the model is conditional and scores an image given its label, which given images do "
            "not have; train with conditional=false"
        )
    device, title = device_for(settings.accelerator), title_of(run.config, run.data.values.many)
    return Evaluation(run.job, run.data, run.config["seed"], device, title, run.history, tracker(console))


def _without_seed(config: Node) -> str:
    """A text that is equal for configs that differ in their seed alone."""
    parts = {key: value for key, value in config.items() if key not in ("seed", "choices", "logger", "data_dir")}
    return str({**parts, "dataset": {**config["dataset"], "seed": None}})
