"""Begins a new run from another one: from its last state (``from=R``) or from its weights alone (``init=R``).

``from=R`` is for more epochs. The new run has the weights, the state of the optimizers, the epoch and the step of R's
last checkpoint; noise, the order of the data and the schedules of the objective are functions of the seed and the step,
so they go on as they would have. The learning rate is what its schedule, made for all epochs of the new run, gives at
this epoch. With ``training.ema``, the averaged weights of R are continued, too; ``init=R`` begins with them, since
they are what R was scored with. The best epoch and the patience are counted anew. The rows of R's metrics.csv are the
first of the new run, so that its curves show the whole course. R itself is only read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.settings import TrainConfig
from vae_lab.errors import UserError
from vae_lab.runs.network_settings import differing
from vae_lab.runs.run import Run
from vae_lab.runs.run_folder import load_run
from vae_lab.system.reading import steps_in
from vae_lab.training.checkpoints import AVERAGED, last_checkpoint, scored_weights, trained_weights
from vae_lab.training.job import Job

OF_MODEL = "model."


@dataclass
class Beginning:
    """A state of another run from which a run begins."""

    about: Node  # for environment.json
    sentence: str  # for the user
    checkpoint: dict[str, Any] | None = None  # the first last.ckpt of the new run; None: only the weights were taken
    history: list[dict[str, float]] = field(default_factory=list)  # the first rows of the new run's metrics.csv


def beginning_of(settings: TrainConfig, config: Node, job: Job) -> Beginning | None:
    """Load the weights of the run that ``continues`` or ``init`` names into a job; None if neither is set.

    Raises:
        UserError: it is not a run folder with a usable checkpoint, its networks or its optimizer differ, or it has had
            as many epochs as are asked for.
    """
    if settings.continues and settings.init:
        raise UserError("from= and init= exclude each other: from= takes the whole state of a run, init= its weights")
    if settings.continues:
        return _continued(settings, config, job, settings.continues)
    return _initialised(job, config, settings.init) if settings.init else None


def _continued(settings: TrainConfig, config: Node, job: Job, path: str) -> Beginning:
    run, content = _read(path, "from")
    done = int(content["epoch"]) + 1
    if settings.epochs == run.config["epochs"] <= done:  # as in its config: no epochs were typed
        raise UserError(
            f"from={path}: this run has trained for its {done} epochs; type from={path} epochs=<more than {done}>"
        )
    if settings.epochs <= done:
        raise UserError(
            f"from={path}: {done} epochs are done, and epochs={settings.epochs} counts them, too; "
            f"type epochs={2 * done}, or any number above {done}"
        )
    theirs, ours = (node["optimizer"].get("_target_") for node in (run.config, config))
    if theirs != ours:
        raise UserError(f"from={path}: its optimizer is {theirs}, not {ours}; init={path} takes its weights alone")
    state = trained_weights(content)
    _refuse_difference(f"from={path}", state, dict(job.state_dict()), _differing(run, config, job))
    job.load_state_dict(state)
    history = [row for row in run.history if row["epoch"] <= done]
    step = steps_in(history)
    optimizers, schedulers = _at_epoch(settings, config, job, content, (done, step), run.config["lr"])
    content |= {"optimizer_states": optimizers, "lr_schedulers": schedulers, "callbacks": {}}
    if not settings.training.ema:
        content.pop(AVERAGED, None)
    rows = f"the first {len(history)} rows of metrics.csv are those of that run"
    about = {"run": path, "run_id": run.environment["run_id"], "epoch": done, "step": step, "history": rows}
    sentence = f"Begins from epoch {done} of {path}, which stays as it is; epochs={settings.epochs} counts all epochs"
    return Beginning({"continues": about}, sentence, content, history)


def _initialised(job: Job, config: Node, path: str) -> Beginning:
    run, content = _read(path, "init")
    state, own = scored_weights(content), job.state_dict()
    model = {key: value for key, value in state.items() if key.startswith(OF_MODEL)}
    ours = {key: value for key, value in own.items() if key.startswith(OF_MODEL)}
    _refuse_difference(f"init={path}", model, ours, _differing(run, config, job, of_objective=False))
    job.load_state_dict({**own, **model})
    done = int(content["epoch"]) + 1
    about = {"run": path, "run_id": run.environment["run_id"], "epoch": done}
    return Beginning({"init": about}, f"The weights are those of {path} after epoch {done}")


def _read(path: str, key: str) -> tuple[Run, dict[str, Any]]:
    run = load_run(path, key=key)
    checkpoint = last_checkpoint(run.path)
    if checkpoint is None:
        raise UserError(f"{key}={path}: it has no checkpoint that can be read; choose a run with checkpoints/last.ckpt")
    try:
        return run, torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as why:  # torch raises many types of exception for a wrong archive
        raise UserError(f"{key}={path}: {checkpoint} is not a checkpoint of a run; choose another run") from why


def _differing(run: Run, config: Node, job: Job, of_objective: bool = True) -> dict[str, tuple[str, str]]:
    """The settings of networks that differ from those of another run; a dataset of the same shape is none of them."""
    found = differing(run.config, config, of_objective)
    same_shape = run.environment.get("x_shape") == list(getattr(job.model, "x_shape", ()))
    if same_shape and not config.get("conditional"):  # otherwise, the number of classes counts, too
        found = {name: values for name, values in found.items() if name.partition(".")[0] != "dataset"}
    return found


def _refuse_difference(
    typed: str, theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], settings: Mapping[str, tuple[str, str]]
) -> None:
    """Refuse weights whose names or shapes are not those of the new run.

    Args:
        typed: the word that names the other run.
        theirs: its weights.
        ours: the weights of the new run.
        settings: see :func:`differing`.

    Raises:
        UserError: names the settings that differ or, where the configs show none, the first weights that do.
    """
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        shapes = [list(state[key].shape) if key in state else None for state in (theirs, ours)]
        if shapes[0] != shapes[1]:
            here = ", ".join(f"{name}={there} there and {ours_is} here" for name, (there, ours_is) in settings.items())
            has = [f"is {shape}" if shape is not None else "is missing" for shape in shapes]
            shown = here or f"{key} {has[0]} there and {has[1]} here"
            advice = " ".join(f"{name}={there}" for name, (there, _) in settings.items())
            raise UserError(f"{typed}: its networks differ from those of this run ({shown}); "
                            f"type {advice or 'the settings that its config.yaml names'}")  # fmt: skip


def _at_epoch(
    settings: TrainConfig, config: Node, job: Job, content: Mapping[str, Any], done: tuple[int, int], lr_there: float
) -> tuple[list[Node], list[Node]]:
    """The states of the optimizers and schedulers after these epochs and steps, in the order of the phases.

    The moments of the optimizer are those of the other run; its settings, such as the learning rate, those of this one.
    """
    optimizers, schedulers = [], []
    saved = content["optimizer_states"]
    saved_schedulers = [*content.get("lr_schedulers", []), *([None] * len(saved))]
    for phase, state, of_scheduler in zip(job.objective.phases, saved, saved_schedulers):
        make_optimizer = job.own_optimizers.get(phase) or make(config["optimizer"])
        optimizer: Optimizer = make_optimizer(list(job.parameters_of(phase)))
        if settings.scheduler.make:
            scheduler = make(settings.scheduler.make)(optimizer)
            plateau = isinstance(scheduler, ReduceLROnPlateau)
            if plateau and of_scheduler and "num_bad_epochs" in of_scheduler:
                scheduler.load_state_dict(of_scheduler)
                if settings.lr == lr_there:  # the rate to which the plateaus so far have reduced it
                    for group, theirs in zip(optimizer.param_groups, state["param_groups"]):
                        group["lr"] = theirs["lr"]
            for _ in range(0 if plateau else done[settings.scheduler.interval == "step"]):
                scheduler.step()
            schedulers.append(scheduler.state_dict())
        optimizers.append({"state": state["state"], "param_groups": optimizer.state_dict()["param_groups"]})
    return optimizers, schedulers
