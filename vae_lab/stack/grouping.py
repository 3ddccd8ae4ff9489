"""Decides which jobs can be trained as one stack."""

import json
from collections.abc import Hashable, Sequence

from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.evaluation.epoch_frames import drawn_over_epochs
from vae_lab.runs.preparing import Prepared
from vae_lab.stack.optimizer import STACKABLE, LearningRate
from vae_lab.stack.structure import description_of, structure_of
from vae_lab.sweep.jobs import SweepJob
from vae_lab.training.precision import lightning_name

# Keys that may differ within a stack: the structure covers networks and loss, each job keeps its own seed and learning
# rate, and jobs are scored separately.
_PER_JOB = ("seed", "lr", "scheduler", "epochs", "beta", "k1", "k2", "latent_dim", "conditional", "model", "posterior",
            "prior", "quantizer", "objective", "likelihood", "initialisation", "beta_schedule", "metrics", "figures",
            "scores", "features", "sampler", "logger", "choices", "resume")  # fmt: skip


def settings_of(job: SweepJob) -> str:
    """Return a text that is equal for jobs whose settings allow them to take steps together.

    The order of a job's images follows its seed, so a job whose dataset has another seed shares its text with no other.
    """
    config = {key: value for key, value in job.config.items() if key not in _PER_JOB}
    less = {"dataset": "seed", "optimizer": "lr", "training": "patience"}
    kept = {key: _without(node, less[key]) if key in less else node for key, node in config.items()}
    own = job.config["dataset"]["seed"] != job.config["seed"]
    return json.dumps({**kept, "own order": job.name if own else None}, sort_keys=True, default=str)


def stacks(prepared: Sequence[Prepared]) -> list[list[Prepared]]:
    """Group runs with equal settings into those that train together; a run that trains alone is a group of one."""
    groups: dict[Hashable, list[Prepared]] = {}
    for place, run in enumerate(prepared):
        key = place if _trains_alone(run) else (run.epochs_done, structure_of(run.job), _own_optimizers(run))
        groups.setdefault(key, []).append(run)
    return list(groups.values())


def _trains_alone(run: Prepared) -> bool:
    """Return whether a run's steps cannot be taken together with those of another run."""
    settings, objective = run.settings, run.job.objective
    several_processes = settings.accelerator.devices > 1 or settings.accelerator.strategy == "ddp"
    # With 16-mixed, the loss of all jobs is scaled by one factor, which an overflow in one job would halve.
    half = lightning_name(settings.precision, settings.accelerator.precision) == "16-mixed"
    done = run.epochs_done >= settings.epochs
    if drawn_over_epochs(run.config):  # each frame is made from the weights of one job
        return True
    own_step = settings.compile is True or settings.graph
    if several_processes or half or done or own_step or not getattr(objective, "stackable", True):
        return True
    values = {**dict(run.job.named_parameters()), **dict(run.job.named_buffers())}
    unusual = set(run.job.state_dict()) - set(values)  # shared under two names, or neither parameter nor buffer
    scalar = any(p.dim() == 0 for p in run.job.parameters())  # its optimizer state looks like a value for all jobs
    return bool(unusual) or scalar or not all(_is_stackable(rate) for rate in _learning_rates(run))


def _learning_rates(run: Prepared) -> list[LearningRate]:
    schedule = run.settings.scheduler.make
    makers = [make(run.config["optimizer"]), *run.job.own_optimizers.values()]
    return [LearningRate(maker, make(schedule) if schedule else None) for maker in makers]


def _is_stackable(rate: LearningRate) -> bool:
    return type(rate.optimizer) in STACKABLE and rate.schedule_is_stackable


def _own_optimizers(run: Prepared) -> Hashable:
    """Describe the phases' own optimizers without their learning rates."""
    optimizers = {}
    for phase, maker in run.job.own_optimizers.items():
        arguments = _without(getattr(maker, "keywords", {}), "lr")
        optimizers[phase] = (getattr(maker, "func", maker), arguments)
    return description_of(optimizers)


def _without(node: Node, key: str) -> Node:
    return {name: value for name, value in node.items() if name != key}
