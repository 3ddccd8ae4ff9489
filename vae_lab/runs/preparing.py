"""From a config, or an interrupted run's folder, to all that a run consists of: made and tried, nothing written."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from vae_lab.config.devices import device_for
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.reads import name_of_model, refuse_what_is_not_read
from vae_lab.config.schema import TrainConfig, check
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError
from vae_lab.noise import SeededNoise
from vae_lab.runs import run_folder
from vae_lab.runs.build import load_weights, make_data, make_job
from vae_lab.training.job import Job
from vae_lab.types import Step


@dataclass
class Prepared:
    """What a run is made of. Nothing of it is written yet, or it is a run that goes on."""

    settings: TrainConfig
    config: Node
    run_dir: Path
    data: Dataset
    job: Job
    environment: Node | None = None  # as written; None: of a run that was not begun
    epochs_done: int = 0  # that its last checkpoint holds


def prepare(config: Node, run_dir: Path, data: Dataset | None = None) -> Prepared:
    """Make and try what a new run consists of; ``data`` is that of the config, where it is loaded already.

    Raises:
        UserError: something in the config or the data is wrong.
    """
    settings = check(TrainConfig, config)
    refuse_what_is_not_read(config)
    device_for(settings.accelerator, settings.precision)
    quieten()
    _try_optimizer(settings, make(config["optimizer"]))
    data = data or make_data(config)
    job = make_job(config, data.x_shape, data.y_size, data.values)
    _refuse_other_values(config, job, data)
    _try_objective(job, data)
    for own in job.own_optimizers.values():
        _try_optimizer(settings, own)
    if settings.accelerator.devices > len(data.val):
        raise UserError(f"accelerator.devices={settings.accelerator.devices}: only {len(data.val)} validation images")
    return Prepared(settings, config, run_dir, data, job)


def prepare_again(run_dir: Path, data: Dataset | None = None) -> Prepared:
    """What an interrupted run consists of, with its last weights; ``data`` as in :func:`prepare`.

    Raises:
        UserError: it is finished, not a run folder, or its last checkpoint is damaged.
    """
    run = run_folder.load_run(run_dir, key="resume")
    if run.status == "finished":
        raise UserError(
            f"resume={run_dir}: this run is finished; type vae-lab evaluate run={run_dir} to score it again"
        )
    settings = check(TrainConfig, run.config)
    device_for(settings.accelerator, settings.precision)
    quieten()
    data = data or run.data
    job = make_job(run.config, data.x_shape, data.y_size, data.values)
    last, epochs = last_checkpoint(run_dir), 0
    if last is not None:
        try:
            epochs = load_weights(job, last)  # before anything starts
        except UserError as why:
            raise UserError(f"{why}; remove {last} to train this run from the beginning") from why
    return Prepared(settings, run.config, run_dir, data, job, run.environment, epochs)


def last_checkpoint(run_dir: Path) -> Path | None:
    """That a run goes on from; None where there is none."""
    path = run_dir / "checkpoints" / "last.ckpt"
    return path if path.exists() else None


def quieten() -> None:
    """Leave out what libraries say to their developers."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for text in (".*does not have many workers.*", ".*Checkpoint directory .* exists.*", ".*lr_scheduler.step.*",
                 ".*smaller than the logging interval.*", ".*isinstance.treespec.*", ".*sync_dist=True.*",
                 ".*`srun` command is available.*", ".*not yet implemented the batching rule.*"):  # fmt: skip
        warnings.filterwarnings("ignore", text)


def _refuse_other_values(config: Node, job: Job, data: Dataset) -> None:
    """Refuse a model or a likelihood that is made for another kind of values than the dataset holds."""
    model, likelihood = job.model, job.model.likelihood
    chosen = config.get("choices", {}).get("likelihood") or type(likelihood).__name__
    for key, name, part in (("model", name_of_model(config), model), ("likelihood", chosen, likelihood)):
        takes = getattr(part, "takes", (data.values.kind,))
        if data.values.kind not in takes:
            raise UserError(
                f"{key}={name} is for {' or '.join(takes)}, and dataset={data.name} holds {data.values.kind}; "
                f"type {'likelihood=categorical' if data.values.kind == 'tokens' else f'another {key}='}"
            )


def _try_objective(job: Job, data: Dataset) -> None:
    """What does not combine is refused by the objective's first call: have it now, before anything is written."""
    if data.binarize and job.model.likelihood.fits_sigma:
        raise UserError(
            f"dataset.binarize={data.binarize}: on black and white pixels a learned σ falls towards 0, and its density "
            "says nothing; type likelihood=bernoulli"
        )
    zero = torch.tensor(0.0)
    batch = next(data.batches("val", n=2))
    job.eval()
    with torch.no_grad():
        for phase in job.objective.phases:
            job(batch, Step(zero, zero, SeededNoise("cpu", "trial"), phase, len(data.train)))
    job.train()


def _try_optimizer(settings: TrainConfig, make_optimizer: Any) -> None:
    """Have torch judge the optimizer's and the scheduler's numbers before anything is written."""
    try:
        optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(1))])
        scheduler = make(settings.scheduler.make)(optimizer) if settings.scheduler.make else None
    except (TypeError, ValueError) as why:
        raise UserError(f"optimizer or scheduler: {' '.join(str(why).split())}; see --cfg job for their keys") from why
    if isinstance(scheduler, ReduceLROnPlateau) and settings.scheduler.interval == "step":
        raise UserError("scheduler.interval=step: val/loss is known once per epoch; type scheduler.interval=epoch")
