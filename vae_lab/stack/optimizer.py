"""One optimizer step for all jobs of a stack, each with its own learning rate and its own clipped gradient."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, Adamax, AdamW, NAdam, Optimizer, RAdam, RMSprop
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
MakeScheduler = Callable[[Optimizer], LRScheduler | ReduceLROnPlateau]
State = dict[str, Any]  # the state_dict of an optimizer or a scheduler, or a checkpoint

# These optimizers are elementwise, and each of their steps is proportional to the current learning rate.
STACKABLE = (SGD, Adam, AdamW, Adamax, Adagrad, RMSprop, NAdam, RAdam)


class LearningRate:
    """The learning rate of one job in one phase: its optimizer and scheduler, on a single parameter without a use.

    Args:
        make_optimizer: makes the optimizer of its parameters.
        make_scheduler: makes the scheduler of its optimizer; None: the learning rate is constant.
    """

    def __init__(self, make_optimizer: MakeOptimizer, make_scheduler: MakeScheduler | None) -> None:
        self.optimizer = make_optimizer([nn.Parameter(torch.zeros(1))])
        self._keys = set(self.optimizer.param_groups[0])
        self.scheduler = make_scheduler(self.optimizer) if make_scheduler else None

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def schedule_is_stackable(self) -> bool:
        """Whether the schedule is known in advance and changes none of the optimizer's other hyperparameters."""
        if isinstance(self.scheduler, ReduceLROnPlateau):
            return False
        added = set(self.optimizer.param_groups[0]) - self._keys
        return all(key.endswith("lr") for key in added)

    def step(self) -> None:
        """Move the schedule by one step."""
        if self.scheduler:
            self.scheduler.step()  # type: ignore[call-arg]

    def state_of(self, stacked: State, place: int) -> State:
        """Return the state of this job's optimizer as a copy.

        Args:
            stacked: state of the stack's optimizer.
            place: place of the job in the stack.
        """
        state = {key: _sliced(values, place) for key, values in stacked["state"].items()}
        own = {key: value for key, value in self.optimizer.param_groups[0].items() if key != "params"}
        return {"state": state, "param_groups": [{**own, "params": stacked["param_groups"][0]["params"]}]}

    def load(self, optimizer: State, scheduler: State | None) -> None:
        """Load the states of the job's optimizer and scheduler from its checkpoint."""
        saved = {key: value for key, value in optimizer["param_groups"][0].items() if key != "params"}
        self.optimizer.param_groups[0].update(saved)
        if self.scheduler and scheduler is not None:
            self.scheduler.load_state_dict(scheduler)


@dataclass(frozen=True)
class PerJobRates:
    """The optimizer of all jobs' parameters in a phase, whose step uses each job's learning rate; see :func:`step`."""

    optimizer: LightningOptimizer
    rates: Callable[[], Sequence[LearningRate]]  # returns those of the jobs that are in the stack at that time

    @property
    def param_groups(self) -> list[State]:
        """The parameter groups of the optimizer: a single one for all jobs."""
        return self.optimizer.optimizer.param_groups

    def step(self) -> None:
        """Take one step of each job."""
        step(self.optimizer, self.rates())


def step(optimizer: Optimizer | LightningOptimizer, rates: Sequence[LearningRate]) -> None:
    """Take one step of each job of a stack.

    The optimizer steps with the largest learning rate L; the parameters of a job whose rate l is smaller then move l/L
    of the way.
    """
    inner = optimizer.optimizer if isinstance(optimizer, LightningOptimizer) else optimizer
    (group,) = inner.param_groups
    lrs = [rate.lr for rate in rates]
    group["lr"] = largest = max(lrs)
    if largest == 0 or min(lrs) == largest:
        optimizer.step()
        return
    moved = [p for p in group["params"] if p.grad is not None]
    before = [p.detach().clone() for p in moved]
    optimizer.step()
    shares = _shares(tuple(lr / largest for lr in lrs), moved[0].device)
    with torch.no_grad():
        for p, old in zip(moved, before):
            share = shares.to(p).view(-1, *[1] * (p.dim() - 1))
            p.copy_(torch.where(share == 1, p, old + share * (p - old)))


@lru_cache(maxsize=4)
def _shares(shares: tuple[float, ...], device: torch.device) -> Tensor:
    """Return the shares as a tensor; cached, so that nothing is transferred while the learning rates are constant."""
    return torch.tensor(shares, device=device)


def clip(parameters: Iterable[nn.Parameter], largest: float) -> None:
    """Clip each job's gradient to a norm of at most ``largest``, as ``clip_grad_norm_`` does for a single job."""
    grads = [p.grad for p in parameters if p.grad is not None]
    norms = torch.stack([torch.linalg.vector_norm(grad.flatten(1), dim=1) for grad in grads])
    scale = (largest / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(scale.to(grad).view(-1, *[1] * (grad.dim() - 1)))


def stacked_state(states: Sequence[State]) -> State:
    """Return the state of the stack's optimizer, from those of the jobs' optimizers."""
    first = states[0]
    keys = first["state"]
    state = {i: {key: _joined([state["state"][i][key] for state in states]) for key in keys[i]} for i in keys}
    return {"state": state, "param_groups": first["param_groups"]}


def keep(optimizer: Optimizer, places: Tensor) -> None:
    """Keep only the optimizer state of the jobs at these places, long [kept]."""
    for values in optimizer.state.values():
        values.update({key: value[places] for key, value in values.items() if _is_per_job(value)})


def _is_per_job(value: object) -> bool:
    """Return whether a value has one slice per job; a scalar, such as the number of steps, holds for all jobs."""
    return isinstance(value, Tensor) and value.dim() > 0


def _sliced(state: State, place: int) -> State:
    def own(value: object) -> object:
        if not isinstance(value, Tensor):
            return value
        return value[place].clone() if value.dim() else value.clone()

    return {key: own(value) for key, value in state.items()}


def _joined(values: Sequence[object]) -> object:
    """Stack the values of the jobs; a scalar, such as the number of steps, is the same for all jobs."""
    tensors = [value for value in values if isinstance(value, Tensor) and value.dim() > 0]
    return torch.stack(tensors) if tensors else values[0]
