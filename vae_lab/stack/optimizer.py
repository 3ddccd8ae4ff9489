"""One optimizer step for all jobs of a stack, each with its own learning rate and its own clipped gradient."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, Adamax, AdamW, NAdam, Optimizer, RAdam, RMSprop
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
MakeScheduler = Callable[[Optimizer], LRScheduler | ReduceLROnPlateau]
State = dict[str, Any]

# Elementwise, and each step is proportional to the learning rate at that moment.
STACKABLE = (SGD, Adam, AdamW, Adamax, Adagrad, RMSprop, NAdam, RAdam)


class Clock:
    """What one job's optimizer and scheduler say of its learning rate; they hold one idle parameter."""

    def __init__(self, make_optimizer: MakeOptimizer, make_scheduler: MakeScheduler | None) -> None:
        self.optimizer = make_optimizer([nn.Parameter(torch.zeros(1))])
        self.plain = set(self.optimizer.param_groups[0])
        self.scheduler = make_scheduler(self.optimizer) if make_scheduler else None

    @property
    def lr(self) -> float:
        """Of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def moves_lr_alone(self) -> bool:
        """Whether the schedule is known beforehand and leaves the optimizer's other numbers as they are."""
        if isinstance(self.scheduler, ReduceLROnPlateau):
            return False
        added = set(self.optimizer.param_groups[0]) - self.plain
        return all(key.endswith("lr") for key in added)

    def step(self) -> None:
        """The schedule moves."""
        if self.scheduler:
            self.scheduler.step()  # type: ignore[call-arg]

    def state_of(self, stacked: State, place: int) -> State:
        """The state of this job's own optimizer, from that of the stack's; copied."""
        state = {key: _sliced(one, place) for key, one in stacked["state"].items()}
        own = {key: value for key, value in self.optimizer.param_groups[0].items() if key != "params"}
        return {"state": state, "param_groups": [{**own, "params": stacked["param_groups"][0]["params"]}]}

    def load(self, optimizer: State, scheduler: State | None) -> None:
        """From a checkpoint of this job."""
        saved = {key: value for key, value in optimizer["param_groups"][0].items() if key != "params"}
        self.optimizer.param_groups[0].update(saved)
        if self.scheduler and scheduler is not None:
            self.scheduler.load_state_dict(scheduler)


@dataclass(frozen=True)
class AtOwnRates:
    """The optimizer of all jobs' parameters in a phase, whose steps are :func:`step`."""

    optimizer: Any
    clocks: Callable[[], Sequence[Clock]]  # of the jobs that are there at that time

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """One, of all."""
        return self.optimizer.param_groups  # type: ignore[no-any-return]

    def step(self) -> None:
        """One step of each job."""
        step(self.optimizer, self.clocks())


def step(optimizer: Any, clocks: Sequence[Clock]) -> None:
    """Take it with the largest rate L; a job whose rate l is smaller goes l/L of the way."""
    (group,) = optimizer.param_groups
    rates = [clock.lr for clock in clocks]
    group["lr"] = largest = max(rates)
    if largest == 0 or min(rates) == largest:
        optimizer.step()
        return
    moved = [p for p in group["params"] if p.grad is not None]
    before = [p.detach().clone() for p in moved]
    optimizer.step()
    shares = _shares(tuple(rate / largest for rate in rates), moved[0].device)
    with torch.no_grad():
        for p, old in zip(moved, before):
            share = shares.to(p).view(-1, *[1] * (p.dim() - 1))
            p.copy_(torch.where(share == 1, p, old + share * (p - old)))


@lru_cache(maxsize=4)
def _shares(shares: tuple[float, ...], device: torch.device) -> Tensor:
    """On the device; while rates stay as they are, nothing is sent there."""
    return torch.tensor(shares, device=device)


def clip(parameters: Iterable[nn.Parameter], largest: float) -> None:
    """Each job's gradient to a norm of at most ``largest``, as ``clip_grad_norm_`` does with one job's."""
    grads = [p.grad for p in parameters if p.grad is not None]
    norms = torch.stack([torch.linalg.vector_norm(grad.flatten(1), dim=1) for grad in grads])
    scale = (largest / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(scale.to(grad).view(-1, *[1] * (grad.dim() - 1)))


def stacked_state(states: Sequence[State]) -> State:
    """The state of the stack's optimizer from those of the jobs' own."""
    first = states[0]
    keys = first["state"]
    state = {i: {key: _joined([one["state"][i][key] for one in states]) for key in keys[i]} for i in keys}
    return {"state": state, "param_groups": first["param_groups"]}


def keep(optimizer: Any, places: Tensor) -> None:
    """The state of the jobs at these places alone."""
    for one in optimizer.state.values():
        one.update({key: value[places] for key, value in one.items() if _is_of_jobs(value)})


def _is_of_jobs(value: Any) -> bool:
    """Or one number for all, as how many steps were taken."""
    return isinstance(value, Tensor) and value.dim() > 0


def _sliced(state: State, place: int) -> State:
    def own(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return value[place].clone() if value.dim() else value.clone()

    return {key: own(value) for key, value in state.items()}


def _joined(values: Sequence[Any]) -> Any:
    """A number for all is what it is; of one job it has no axis in front."""
    if not isinstance(values[0], Tensor) or values[0].dim() == 0:
        return values[0]
    return torch.stack(list(values))
