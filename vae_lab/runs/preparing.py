"""Builds and tests all parts of a run, from a config or from the folder of an interrupted run; writes nothing."""

import logging
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from vae_lab.config.devices import device_for
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.reads import kinds_accepted, name_of, refuse_what_is_not_read
from vae_lab.config.schema import check
from vae_lab.config.settings import TrainConfig
from vae_lab.config.shortages import shortage
from vae_lab.data.dataset import Dataset
from vae_lab.errors import UserError
from vae_lab.evaluation.beforehand import try_scores
from vae_lab.noise import SeededNoise
from vae_lab.runs import run_folder
from vae_lab.runs.beginning import Beginning, beginning_of
from vae_lab.runs.build import begin_at_data, load_weights, make_data, make_job, make_job_of
from vae_lab.runs.training_of_objective import refuse_unsuitable_training
from vae_lab.training.captured import why_not
from vae_lab.training.checkpoints import BEST, LAST, last_checkpoint
from vae_lab.training.compiled import refuse_missing_compiler
from vae_lab.training.job import Job, MakeOptimizer
from vae_lab.training.precision import lightning_name
from vae_lab.types import Step


@dataclass
class Prepared:
    """The parts of a run that can start: either a new run, of which nothing is written yet, or an interrupted one."""

    settings: TrainConfig
    config: Node
    run_dir: Path
    data: Dataset
    job: Job
    environment: Node | None = None  # the content of environment.json; None: a new run
    epochs_done: int = 0  # epochs completed at the last checkpoint
    checkpoint: Path | None = None  # the checkpoint that training continues from; None: from the beginning
    beginning: Beginning | None = None  # the state of another run from which this one begins
    notes: list[str] = field(default_factory=list)  # sentences for the user, e.g. which scores will be left out


def prepare(config: Node, run_dir: Path, data: Dataset | None = None) -> Prepared:
    """Build and test the parts of a new run.

    Args:
        config: the resolved config of the run.
        run_dir: the folder that the run will be written to.
        data: the dataset of the config, if it is already loaded.

    Raises:
        UserError: the config is not valid, or the data are missing or do not fit it.
    """
    settings = check(TrainConfig, config)
    refuse_what_is_not_read(config)
    refuse_missing_compiler(settings.compile, device_for(settings.accelerator, settings.precision))
    quieten()
    _try_optimizer(settings, make(config["optimizer"]))  # before the data are loaded
    data = data or make_data(config)
    _refuse_other_values(config, data)
    job = make_job(config, data.x_shape, data.y_size, data.values)
    begin_at_data(job, config, data)
    _refuse_graph(settings, config, job)
    notes = _try_parts(settings, config, data, job)
    if settings.accelerator.devices > len(data.val):
        raise UserError(
            f"accelerator.devices={settings.accelerator.devices}: there are only {len(data.val)} validation "
            f"{data.values.many}; type accelerator.devices={len(data.val)}"
        )
    return Prepared(settings, config, run_dir, data, job, notes=notes, beginning=beginning_of(settings, config, job))


def prepare_again(run_dir: Path, data: Dataset | None = None) -> Prepared:
    """Build the parts of an interrupted run, with the weights of its last checkpoint.

    Args:
        run_dir: the run folder.
        data: the dataset of the run, if it is already loaded.

    Raises:
        UserError: the folder is not a run folder, its run is finished, or its checkpoints are damaged.
    """
    run = run_folder.load_run(run_dir, key="resume")
    if run.status == "finished":
        raise UserError(
            f"resume={run_dir}: this run is finished; for more epochs, type vae-lab train from={run_dir} "
            f"epochs={2 * run.epochs_done or 40} (in all); to score it again, type vae-lab evaluate run={run_dir}"
        )
    settings = check(TrainConfig, run.config)
    device_for(settings.accelerator, settings.precision)
    quieten()
    data = data or run.data
    job = make_job_of(run_dir, run.config, data.x_shape, data.y_size, data.values)
    try:
        notes = _try_parts(settings, run.config, data, job)
    except UserError as why:
        raise UserError(f"{run_dir / 'config.yaml'}: {why}") from why
    checkpoint, epochs, beginning = _to_resume_from(run_dir), 0, None
    if checkpoint is None:
        begin_at_data(job, run.config, data)
        beginning = beginning_of(settings, run.config, job)
    else:
        epochs = load_weights(job, checkpoint)  # loaded here so that a wrong file is found before training starts
    environment = run.environment
    return Prepared(settings, run.config, run_dir, data, job, environment, epochs, checkpoint, beginning, notes)


def _to_resume_from(run_dir: Path) -> Path | None:
    """The checkpoint to resume from; None if no epoch was saved.

    Raises:
        UserError: there are checkpoints, and all of them are damaged.
    """
    checkpoint, folder = last_checkpoint(run_dir), run_dir / "checkpoints"
    damaged = [str(folder / name) for name in (LAST, BEST) if (folder / name).exists()]
    if checkpoint is None and damaged:
        files = " and ".join(damaged)
        raise UserError(
            f"{files} {'is' if len(damaged) == 1 else 'are'} truncated or corrupt; remove {folder} to train this run "
            "from the beginning"
        )
    return checkpoint


def quieten() -> None:
    """Silence messages of libraries that are of no use to the user."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for text in (".*does not have many workers.*", ".*Checkpoint directory .* exists.*", ".*lr_scheduler.step.*",
                 ".*smaller than the logging interval.*", ".*isinstance.treespec.*", ".*sync_dist=True.*",
                 ".*`srun` command is available.*", ".*not yet implemented the batching rule.*"):  # fmt: skip
        warnings.filterwarnings("ignore", text)


def _refuse_other_values(config: Node, data: Dataset) -> None:
    """Refuse a model, its networks, a likelihood or a prior whose class does not accept the values of the dataset.

    The classes are asked, because their constructors may fail on values of another kind.

    Raises:
        UserError: names the part and the dataset.
    """
    kind, model = data.values.kind, config["model"]
    parts = (("model", model), ("model", model.get("net")), ("likelihood", config["likelihood"]),
             ("prior", config.get("prior")))  # fmt: skip
    for key, node in parts:
        takes = kinds_accepted(node)
        if takes and kind not in takes:
            instead = _INSTEAD[key] if key in _INSTEAD else _LIKELIHOODS.get(kind, "a likelihood= for them")
            raise UserError(
                f"{key}={name_of(config, key)} is for {' or '.join(takes)}, and dataset={data.name} holds {kind}; "
                f"type {instead}"
            )


_INSTEAD = {"model": "model=dense", "prior": "prior=standard"}
_LIKELIHOODS = {"images": "likelihood=mse", "tokens": "likelihood=categorical"}


def _try_parts(settings: TrainConfig, config: Node, data: Dataset, job: Job) -> list[str]:
    """Build everything that the run will need, and call the objective once, before anything is written.

    Returns:
        Notes about scores and figures.

    Raises:
        UserError: a part refuses its arguments, or parts do not fit together.
    """
    _try_objective(config, job, data)
    refuse_unsuitable_training(settings, config, job)
    for make_optimizer in (make(config["optimizer"]), *job.own_optimizers.values()):
        _try_optimizer(settings, make_optimizer)
    return try_scores(config, job, data)


def _refuse_graph(settings: TrainConfig, config: Node, job: Job) -> None:
    """Refuse ``graph=true`` where steps cannot be captured.

    Raises:
        UserError: names the reason.
    """
    if not settings.graph:
        return
    device, several = device_for(settings.accelerator, settings.precision), settings.accelerator.strategy == "ddp"
    half = lightning_name(settings.precision, settings.accelerator.precision) == "16-mixed"
    makers = [make(config["optimizer"]), *job.own_optimizers.values()]
    optimizers = [maker([torch.nn.Parameter(torch.zeros(1))]) for maker in makers]
    processes = max(settings.accelerator.devices, 2 if several else 1)
    reason = why_not(device, processes, half, settings.training.accumulate, optimizers)
    if reason:
        raise UserError(f"graph=true: {reason}; type graph=false")


def _try_objective(config: Node, job: Job, data: Dataset) -> None:
    """Take one trial step without an update, because objectives refuse unsuitable models in their first call.

    Raises:
        UserError: the objective, the model and the data do not fit together.
    """
    if data.binarize and job.model.likelihood.fits_sigma:
        raise UserError(
            f"dataset.binarize={data.binarize}: on black and white pixels a learned σ falls towards 0, which makes "
            "the density meaningless; type likelihood=bernoulli"
        )
    zero = torch.tensor(0.0)
    batch = next(data.batches("val", n=2))
    job.eval()
    try:
        for phase in job.objective.phases:
            terms = job(batch, Step(zero, zero, SeededNoise("cpu", "trial"), phase, len(data.train)))
            if terms.loss.requires_grad:
                terms.loss.backward()
    except (UserError, MemoryError):
        raise
    except Exception as why:
        if shortage(why):
            raise
        options = " ".join(f"{group}={name_of(config, group)}" for group in ("model", "objective", "likelihood"))
        reason = f"{type(why).__name__}: {' '.join(str(why).split())[:150]}"
        raise UserError(
            f"{options}: a trial step failed ({reason}), so these do not work together; HYDRA_FULL_ERROR=1 shows where"
        ) from why
    if job.model.deterministic and job.objective.samples > 1:
        raise UserError(
            f"objective.samples={job.objective.samples}: the codes of model={name_of(config, 'model')} are "
            "deterministic, so that further samples repeat the first; type objective.samples=1"
        )
    job.zero_grad(set_to_none=True)
    job.train()


def _try_optimizer(settings: TrainConfig, make_optimizer: MakeOptimizer) -> None:
    """Build the optimizer and the scheduler once, so that torch checks their arguments.

    Raises:
        UserError: torch refuses an argument, or the scheduler needs another interval.
    """
    try:
        optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(1))])
        scheduler = make(settings.scheduler.make)(optimizer) if settings.scheduler.make else None
    except (TypeError, ValueError) as why:
        raise UserError(f"optimizer or scheduler: {' '.join(str(why).split())}; --cfg job shows their keys") from why
    if isinstance(scheduler, ReduceLROnPlateau) and settings.scheduler.interval == "step":
        raise UserError("scheduler.interval=step: val/loss is known once per epoch; type scheduler.interval=epoch")
