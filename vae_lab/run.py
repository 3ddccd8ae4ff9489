"""Composes data, model, objective, training, scores and pictures from a resolved config: the only wiring."""

import contextlib
import os
import signal
import time
import uuid
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger
from rich.console import Console
from torch.optim.lr_scheduler import ReduceLROnPlateau

from vae_lab import runs
from vae_lab.build import load_weights, make_data, make_job
from vae_lab.callbacks.checkpoints import checkpoints
from vae_lab.callbacks.history import History, read_history, steps_taken
from vae_lab.callbacks.progress import ProgressLine
from vae_lab.compiled import Compiled, choose
from vae_lab.data.image_data import ImageData
from vae_lab.devices import device_for
from vae_lab.errors import Interrupted, UserError
from vae_lab.evaluation import Evaluation
from vae_lab.job import Job
from vae_lab.lit import LitJob, precision_of
from vae_lab.loggers import LogContext, close
from vae_lab.make import make
from vae_lab.memory import keep_freed_memory
from vae_lab.noise import SeededNoise
from vae_lab.outputs import score, score_sampler
from vae_lab.processes import several_processes
from vae_lab.report import print_plan, print_scores, tracker
from vae_lab.schema import TrainConfig, check
from vae_lab.titles import title_of
from vae_lab.types import Scores, Step

Node = dict[str, Any]


def train(
    config: Node, run_dir: Path, console: Console, sweep: str | None = None, command: str | None = None
) -> Scores:
    """Start a run in an empty folder.

    Args:
        config: resolved.
        run_dir: made if it is missing.
        console: where progress and scores are shown.
        sweep: the sweep that the run is a job of.
        command: what one would type for this run alone, if not what was typed.

    Raises:
        UserError: something in the config or the data is wrong; nothing was written then.
        RunFailed: the loss became NaN.
        Interrupted: Ctrl-C or SIGTERM.
    """
    settings = check(TrainConfig, config)
    device = device_for(settings.accelerator, settings.precision)
    _quieten()
    _try_optimizer(settings, make(config["optimizer"]))
    data = make_data(config)
    job = make_job(config, data.x_shape, data.y_size)
    _try_objective(job, data)
    for own in job.own_optimizers.values():
        _try_optimizer(settings, own)
    if settings.accelerator.devices > len(data.val):
        raise UserError(f"accelerator.devices={settings.accelerator.devices}: only {len(data.val)} validation images")
    runs.claim(run_dir)
    environment = {
        **runs.describe_environment(config, device, command),
        "parameters": job.parameter_count,
        "x_shape": list(data.x_shape),
        "y_size": data.y_size,
        "classes": list(data.classes),
        "attributes": list(data.attributes),
        "run_id": uuid.uuid4().hex[:8],
        "sweep": sweep,
        "wall_seconds": 0.0,
    }
    runs.write_environment(run_dir, environment)
    runs.write_config(run_dir, config)  # its presence makes the folder a run that can be resumed
    try:
        return _carry_out(settings, config, run_dir, console, environment, data, job)
    except UserError:  # a logger that cannot be had: nothing was trained
        runs.withdraw(run_dir)
        raise


def resume(run_dir: Path, console: Console) -> Scores:
    """Go on with an interrupted run: weights, optimizer, schedules, epoch, curves, W&B run.

    Raises:
        UserError: it is finished, not a run folder, or its last checkpoint is damaged.
    """
    run = runs.load_run(run_dir, key="resume")
    if run.status == "finished":
        raise UserError(
            f"resume={run_dir}: this run is finished; type vae-lab evaluate run={run_dir} to score it again"
        )
    settings = check(TrainConfig, run.config)
    device_for(settings.accelerator, settings.precision)
    _quieten()
    data = run.data
    job = make_job(run.config, data.x_shape, data.y_size)
    last = _last_checkpoint(run_dir)
    if last is not None:
        try:
            load_weights(job, last)  # before anything starts
        except UserError as why:
            raise UserError(f"{why}; remove {last} to train this run from the beginning") from why
    return _carry_out(settings, run.config, run_dir, console, run.environment, data, job)


def train_worker(run_dir: Path) -> None:
    """The part of a DDP process other than the first: training alone, from the folder that the first one made."""
    run = runs.load_run(run_dir)
    settings = check(TrainConfig, run.config)
    _quieten()
    job = make_job(run.config, run.data.x_shape, run.data.y_size)
    _trainer_fit(settings, run.config, run_dir, Console(quiet=True), run.data, job, [])


def _carry_out(
    settings: TrainConfig,
    config: Node,
    run_dir: Path,
    console: Console,
    environment: Node,
    data: ImageData,
    job: Job,
) -> Scores:
    """Train, score, picture, log."""
    started = time.perf_counter()
    loggers: list[Logger] = []
    failed = True
    title = title_of(config)
    try:
        context = LogContext(run_dir, config, environment["run_id"], environment["sweep"])
        loggers = [make(config["logger"], context)] if config["logger"] else []
        print_plan(console, title, data, environment)
        trainer = _trainer_fit(settings, config, run_dir, console, data, job, loggers)
        epoch = load_weights(job, run_dir / "checkpoints" / "best.ckpt")
        history = read_history(run_dir / "metrics.csv")
        device, features = trainer.strategy.root_device, make(settings.features)
        evaluation = Evaluation(job, data, settings.seed, device, title, history, tracker(console), features)
        evaluation.scores.protocol["checkpoint"] = {"which": "best val/loss", "epoch": epoch}
        score(evaluation, config, run_dir, loggers, steps_taken(trainer))
        scores = score_sampler(evaluation, config, run_dir, loggers, steps_taken(trainer))
        failed = False
    except KeyboardInterrupt as stop:
        raise Interrupted(_resume_advice(run_dir)) from stop
    finally:
        environment["wall_seconds"] = round(environment["wall_seconds"] + time.perf_counter() - started, 2)
        runs.write_environment(run_dir, environment)
        close(loggers, failed)
    runs.write_results(run_dir, scores)
    print_scores(console, scores, title, run_dir)
    return scores


def _trainer_fit(
    settings: TrainConfig,
    config: Node,
    run_dir: Path,
    console: Console,
    data: ImageData,
    job: Job,
    loggers: list[Logger],
) -> pl.Trainer:
    """Train to the end, from the last checkpoint where there is one."""
    last = _last_checkpoint(run_dir)
    device = device_for(settings.accelerator)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or the same run gives other numbers next time
    else:
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"  # by Lightning's 1, optimizers look for a GPU in every step
        keep_freed_memory()
    trainer = pl.Trainer(
        accelerator=settings.accelerator.kind,
        devices=settings.accelerator.devices,
        strategy=_strategy(settings.accelerator.strategy, job),
        **precision_of(settings.precision, settings.accelerator.precision),
        max_epochs=settings.epochs,
        logger=loggers,
        callbacks=_callbacks(settings, run_dir, console),
        log_every_n_steps=settings.training.log_every,
        deterministic="warn" if device.type == "cuda" else None,
        default_root_dir=run_dir,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # batches are shared among processes by EpochOrder
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    scheduler = settings.scheduler
    lit = LitJob(
        job,
        optimizer=make(config["optimizer"]),
        scheduler=make(scheduler.make) if scheduler.make else None,
        scheduler_interval=scheduler.interval,
        images=len(data.train),
        seed=settings.seed,
        clip=settings.training.clip,
        accumulate=settings.training.accumulate,
        log_every=settings.training.log_every,
        loss=_loss(settings, job, data, device, console),
    )
    distributed = trainer.world_size > 1 or settings.accelerator.strategy == "ddp"  # ddp of one process is one, too
    with several_processes(run_dir, distributed), _interruptible(trainer):
        trainer.fit(lit, datamodule=data, ckpt_path=last, weights_only=True)
    return trainer


def _loss(settings: TrainConfig, job: Job, data: ImageData, device: torch.device, console: Console) -> Compiled | None:
    """The compiled loss, where it is asked for or where it pays; told to the person where that was left open."""
    batch = next(data.batches("val", n=8))
    compiles, why = choose(settings.compile, job, batch, settings.batch_size, len(data.train), settings.epochs, device)
    say = partial(console.print, style="dim", markup=False, highlight=False, soft_wrap=True)
    if why:
        say(why)
    return Compiled(job, settings.batch_size, say if settings.compile == "auto" else None) if compiles else None


def _try_objective(job: Job, data: ImageData) -> None:
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


def _callbacks(settings: TrainConfig, run_dir: Path, console: Console) -> list[Callback]:
    stopping = settings.training.patience
    return [
        History(run_dir / "metrics.csv"),
        ProgressLine(console),
        *([EarlyStopping("val/loss", patience=stopping)] if stopping else []),
        *checkpoints(run_dir / "checkpoints"),
    ]


def _strategy(name: str, job: Job) -> Any:
    """DDP must be told where a phase, or a deterministic objective, leaves parameters without gradient."""
    whole = len(job.objective.phases) == 1 and job.objective.variational
    return name if name != "ddp" or whole else "ddp_find_unused_parameters_true"


def _last_checkpoint(run_dir: Path) -> Path | None:
    path = run_dir / "checkpoints" / "last.ckpt"
    return path if path.exists() else None


@contextlib.contextmanager
def _interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Lightning ends the program on Ctrl-C and SIGTERM; here it becomes an exception that says how to resume."""
    try:
        yield
    except SystemExit as stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from stop
    finally:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, ProgressLine):
                callback.stop()


def _resume_advice(run_dir: Path) -> str:
    epochs = len(read_history(run_dir / "metrics.csv"))
    saved = (
        f"{epochs} epoch{'s are' if epochs > 1 else ' is'} saved"
        if epochs
        else "no epoch was through, so it starts from the beginning"
    )
    return f"stopped; {saved}. Go on with: vae-lab train resume={run_dir}"


def _quieten() -> None:
    """Leave out what libraries say to their developers."""
    import logging

    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for text in (".*does not have many workers.*", ".*Checkpoint directory .* exists.*", ".*lr_scheduler.step.*",
                 ".*smaller than the logging interval.*", ".*isinstance.treespec.*", ".*sync_dist=True.*",
                 ".*`srun` command is available.*"):  # fmt: skip
        warnings.filterwarnings("ignore", text)
