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


def loaded(typed: str, key: str, settings: DetectConfig, console: Console) -> Evaluation:
    """Return the model of a run folder, or the first of a sweep over seeds, with all of them as its ensemble.

    Args:
        typed: the folder.
        key: the option that it was typed for, named in messages.
        settings: the settings of the command.
        console: shows progress.

    Raises:
        UserError: a run is not finished, the runs of the sweep differ in more than their seed, or the model cannot
            judge images without labels.
    """
    folder = Path(typed)
    if not is_sweep(folder):
        run = load_run(folder, key, settings.trust)
        if run.status != "finished":
            raise UserError(f"{key}={typed} is not finished; type vae-lab train resume={typed}")
        return _evaluation(run, typed, key, settings, console)
    runs = [load_run(one, key, settings.trust) for one in runs_in(folder) if status_of(one) == "finished"]
    if not runs:
        raise UserError(f"{key}={typed}: none of the sweep's runs is finished")
    if len({_without_seed(run.config) for run in runs}) > 1:
        raise UserError(
            f"{key}={typed}: the runs of this sweep differ in more than their seed; type {key}={runs[0].path}"
        )
    members = [_evaluation(run, typed, key, settings, console) for run in runs]
    first = members[0]
    first.ensemble = members
    if len(members) > 1:
        line = f"{len(members)} runs of {folder.name}; scores other than waic are those of {runs[0].path.name}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return first


def _evaluation(run: Run, typed: str, key: str, settings: DetectConfig, console: Console) -> Evaluation:
    run.data_dir = settings.data_dir
    if run.environment.get("values", {"kind": "images"})["kind"] != "images":
        raise UserError(f"{key}={typed}: this run is not one of images, which vae-lab detect judges")
    if run.model.conditional:
        raise UserError(
            f"{key}={typed}: the model is conditional and scores an image given its label, which given images do not "
            "have; train with conditional=false"
        )
    device, title = device_for(settings.accelerator), title_of(run.config, run.data.values.many)
    return Evaluation(run.job, run.data, run.config["seed"], device, title, run.history, tracker(console))


def _without_seed(config: Node) -> str:
    """A text that is equal for configs that differ in their seed alone."""
    parts = {key: value for key, value in config.items() if key not in ("seed", "choices", "logger", "data_dir")}
    return str({**parts, "dataset": {**config["dataset"], "seed": None}})
