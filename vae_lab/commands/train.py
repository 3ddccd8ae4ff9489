"""``vae-lab train``: trains, scores and draws a run, and resumes one that was interrupted."""

from functools import partial
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from rich.console import Console

from vae_lab.config.devices import device_for
from vae_lab.config.hydra_errors import explain
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.schema import check
from vae_lab.config.settings import TrainConfig
from vae_lab.config.shortages import NO_ROOM
from vae_lab.config.trust import trusted
from vae_lab.data.dataset import Dataset
from vae_lab.errors import Interrupted, RunFailed
from vae_lab.evaluation.epoch_frames import frame_writer
from vae_lab.report.loggers import upload_advice
from vae_lab.report.terminal import print_plainly, print_plan, print_scores
from vae_lab.report.titles import title_of
from vae_lab.runs import run_folder
from vae_lab.runs.active_run import ActiveRun, begin
from vae_lab.runs.build import make_job
from vae_lab.runs.content import FAILURE
from vae_lab.runs.preparing import Prepared, prepare, prepare_again, quieten
from vae_lab.runs.state import failure_of, write_failure
from vae_lab.scores import Scores
from vae_lab.system.processes import several_processes
from vae_lab.system.reading import read_history
from vae_lab.training.after_epochs import AfterEpochs
from vae_lab.training.captured import Captured
from vae_lab.training.checkpoints import LAST, to_continue
from vae_lab.training.compiled import Compiled, choose
from vae_lab.training.job import Job
from vae_lab.training.lit import LitJob
from vae_lab.training.progress import ProgressLine
from vae_lab.training.trainer import callbacks_of, interruptible, make_trainer


def train(
    config: Node, run_dir: Path, console: Console, sweep: str | None = None, command: str | None = None
) -> Scores:
    """Train and score a new run.

    Args:
        config: the resolved config of the run.
        run_dir: the folder to write to, which must not hold a run; it is created if it does not exist.
        console: shows progress and scores.
        sweep: the sweep that the run is a job of.
        command: the command that starts this run alone; None: the command line of this process.

    Raises:
        UserError: the config is not valid, or the data are missing or do not fit it; nothing has been written then.
        RunFailed: the loss became NaN, or a file could not be written.
        Interrupted: Ctrl-C or SIGTERM stopped the run.
    """
    return _carry_out(begin(prepare(config, run_dir), sweep, command), console)


def resume(run_dir: Path, console: Console) -> Scores:
    """Continue an interrupted run from its last checkpoint, say after which epoch, and score it.

    Weights, optimizer, schedules, epoch, ``metrics.csv`` and the W&B run are continued.

    Args:
        run_dir: the run folder.
        console: shows progress and scores.

    Raises:
        UserError: the folder is not a run folder, its run is finished, or its checkpoints are damaged.
        RunFailed: the loss became NaN, or a file could not be written.
        Interrupted: Ctrl-C or SIGTERM stopped the run.
    """
    prepared = prepare_again(run_dir)
    note = _resumed(prepared)  # before last.ckpt is restored
    failed = failure_of(run_dir)
    note += f". It failed before: {failed}" if failed else ""
    (run_dir / FAILURE).unlink(missing_ok=True)
    return _carry_out(ActiveRun(prepared), console, note)


def train_worker(run_dir: Path) -> None:
    """Train as an additional DDP process, with the config that the first process wrote; nothing is scored or logged."""
    run = run_folder.load_run(run_dir)
    settings = check(TrainConfig, run.config)
    quieten()
    job = make_job(run.config, run.data.x_shape, run.data.y_size, run.data.values)
    _trainer_fit(settings, run.config, run_dir, Console(quiet=True), run.data, job, [])


def _resumed(prepared: Prepared) -> str:
    """A sentence about where training continues, and from which file if ``last.ckpt`` cannot be used."""
    done, total, used = prepared.epochs_done, prepared.settings.epochs, prepared.checkpoint
    if used is None:
        return "No epoch was completed before, so training starts from the beginning"
    problem = "damaged" if used.with_name(LAST).exists() else "missing"
    source = "" if used.name == LAST else f" from {used.name}, because {LAST} is {problem}"
    ended = "; all are done, so the run is only scored" if done >= total else ""
    return f"Resumed after epoch {done} of {total}{source}{ended}"


def _carry_out(run: ActiveRun, console: Console, note: str = "") -> Scores:
    try:
        print_plan(console, run.title, run.data, run.environment, run.notes)
        for line in (note, run.began, run.own_classifier[1], run.plan_of_prior):
            print_plainly(console, line)
        trainer = _trainer_fit(run.settings, run.config, run.run_dir, console, run.data, run.job, run.loggers)
        scores = run.score(console, trainer.strategy.root_device)
        run.close(scores)
    except KeyboardInterrupt as stop:
        raise Interrupted(_resume_advice(run.run_dir)) from stop
    except Exception as why:
        full = _no_room(run.run_dir, why) if isinstance(why, OSError) and why.errno in NO_ROOM else None
        write_failure(run.run_dir, explain(full or why)[1])
        if full:
            raise full from why
        raise
    finally:
        run.close(None)  # without effect if the run is closed already
    known = [*run.notes, f"{run.own_classifier[1]}."]
    print_scores(console, scores, run.title, run.run_dir, printed=known)
    print_plainly(console, upload_advice(run.run_dir))
    return scores


def _no_room(run_dir: Path, why: OSError) -> RunFailed:
    return RunFailed(
        f"{why.filename or run_dir} could not be written ({why.strerror}); what was saved before is intact. "
        f"Make room, and type vae-lab train resume={run_dir}"
    )


def _trainer_fit(
    settings: TrainConfig,
    config: Node,
    run_dir: Path,
    console: Console,
    data: Dataset,
    job: Job,
    loggers: list[Logger],
) -> pl.Trainer:
    """Train to the last epoch, starting from the last checkpoint if there is one."""
    frames = frame_writer(config, data, run_dir, title_of(config, data.values.many))
    callbacks: list[Callback] = [ProgressLine(console), *([AfterEpochs(frames)] if frames else [])]
    callbacks += callbacks_of(settings, run_dir, job)
    trainer = make_trainer(settings, run_dir, callbacks, loggers, _strategy(settings.accelerator.strategy, job))
    make_scheduler, interval = settings.scheduler.make, settings.scheduler.interval
    lit = LitJob(
        job,
        optimizer=make(config["optimizer"]),
        scheduler=make(make_scheduler) if make_scheduler else None,
        scheduler_interval=interval,
        images=len(data.train),
        seed=settings.seed,
        clip=settings.training.clip,
        accumulate=settings.training.accumulate,
        ema=settings.training.ema,
        log_every=settings.training.log_every,
        loss=_loss(settings, job, data, device_for(settings.accelerator), console),
        capture=partial(Captured, size=settings.batch_size) if settings.graph else None,
    )
    distributed = trainer.world_size > 1 or settings.accelerator.strategy == "ddp"  # ddp with one process, too
    with several_processes(run_dir, distributed, trusted()), interruptible(trainer):
        trainer.fit(lit, datamodule=data, ckpt_path=to_continue(run_dir), weights_only=True)
    return trainer


def _loss(settings: TrainConfig, job: Job, data: Dataset, device: torch.device, console: Console) -> Compiled | None:
    """The compiled loss; None if the loss is not compiled. With compile=auto, the choice is printed."""
    batch = next(data.batches("val", n=8))
    compiles, reason = choose(
        settings.compile, job, batch, settings.batch_size, len(data.train), settings.epochs, device
    )
    say = partial(console.print, style="dim", markup=False, highlight=False, soft_wrap=True)
    if reason:
        say(reason)
    return Compiled(job, settings.batch_size, say if settings.compile == "auto" else None) if compiles else None


def _strategy(name: str, job: Job) -> str:
    """The name of Lightning's strategy.

    With several phases, or a deterministic objective, some parameters have no gradient in a step. DDP waits for them
    unless it looks for unused parameters.
    """
    all_have_gradients = len(job.objective.phases) == 1 and job.objective.variational
    return name if name != "ddp" or all_have_gradients else "ddp_find_unused_parameters_true"


def _resume_advice(run_dir: Path) -> str:
    epochs = len(read_history(run_dir / "metrics.csv"))
    saved = (
        f"{epochs} epoch{'s are' if epochs > 1 else ' is'} saved"
        if epochs
        else "no epoch was completed, so training will start from the beginning"
    )
    if any((run_dir / "samplers").glob("*.unfinished.pt")):
        saved += ", and so is the state of the sampler's fit"
    return f"stopped; {saved}. To continue, type vae-lab train resume={run_dir}"
