"""Which jobs can be trained as one stack."""

import json
from collections.abc import Hashable, Sequence
from typing import Any

from vae_lab.config.make import make
from vae_lab.runs.preparing import Prepared
from vae_lab.stack.optimizer import STACKABLE, Clock
from vae_lab.stack.structure import description_of, structure_of
from vae_lab.sweep.jobs import SweepJob
from vae_lab.training.lit import precision_of

Node = dict[str, Any]

# Free to differ: what the structure tells of the networks and the loss, what each job keeps of its own, what is scored.
_OF_EACH = ("seed", "lr", "scheduler", "epochs", "beta", "k1", "k2", "latent_dim", "conditional", "model", "posterior",
            "prior", "objective", "likelihood", "beta_schedule", "metrics", "figures", "features", "sampler", "logger",
            "choices", "resume")  # fmt: skip


def settings_of(job: SweepJob) -> str:
    """Equal for jobs whose settings let them take steps together.

    The order of a job's images goes by its seed: one whose dataset has another is a group of its own.
    """
    config = {key: value for key, value in job.config.items() if key not in _OF_EACH}
    less = {"dataset": "seed", "optimizer": "lr", "training": "patience"}
    kept = {key: _without(node, less[key]) if key in less else node for key, node in config.items()}
    own = job.config["dataset"]["seed"] != job.config["seed"]
    return json.dumps({**kept, "own order": job.name if own else None}, sort_keys=True, default=str)


def stacks(prepared: Sequence[Prepared]) -> list[list[Prepared]]:
    """Those that train together, of runs with equal settings; one that has to be alone is a list of its own."""
    found: dict[Hashable, list[Prepared]] = {}
    for place, one in enumerate(prepared):
        key = place if _alone(one) else (one.epochs_done, structure_of(one.job), _own_optimizers(one))
        found.setdefault(key, []).append(one)
    return list(found.values())


def _alone(one: Prepared) -> bool:
    """Whether its steps cannot be taken together with another job's."""
    settings, objective = one.settings, one.job.objective
    several_processes = settings.accelerator.devices > 1 or settings.accelerator.strategy == "ddp"
    half = "16-mixed" in precision_of(settings.precision, settings.accelerator.precision).values()
    done = one.epochs_done >= settings.epochs
    # half: the loss is scaled by one factor for all, which one job's overflow would halve
    if several_processes or half or done or settings.compile is True or not getattr(objective, "stackable", True):
        return True
    values = {**dict(one.job.named_parameters()), **dict(one.job.named_buffers())}
    odd = set(one.job.state_dict()) - set(values)  # shared under two names, or kept in another way
    single = any(p.dim() == 0 for p in one.job.parameters())  # its optimizer's numbers look like those of all jobs
    return bool(odd) or single or not all(_is_stackable(clock) for clock in _clocks(one))


def _clocks(one: Prepared) -> list[Clock]:
    schedule = one.settings.scheduler.make
    makers = [make(one.config["optimizer"]), *one.job.own_optimizers.values()]
    return [Clock(maker, make(schedule) if schedule else None) for maker in makers]


def _is_stackable(clock: Clock) -> bool:
    return type(clock.optimizer) in STACKABLE and clock.moves_lr_alone


def _own_optimizers(one: Prepared) -> Hashable:
    """Of the phases, but for their learning rates."""
    made = {}
    for phase, maker in one.job.own_optimizers.items():
        words = _without(getattr(maker, "keywords", {}), "lr")
        made[phase] = (getattr(maker, "func", maker), words)
    return description_of(made)


def _without(node: Node, key: str) -> Node:
    return {name: value for name, value in node.items() if name != key}
