"""The weights and buffers of several jobs of one structure, and one call for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vae_lab.noise import Asked, GivenNoise, NotedNoise
from vae_lab.training.job import Job
from vae_lab.types import Batch, LossTerms, Noise, Step

Named = dict[str, Tensor]


@dataclass
class Together:
    """What several jobs meet at once: tensors that all share, or one slice per job in front."""

    x: Tensor  # [B, C, H, W], or [J, B, C, H, W] where ``apart``
    target: Tensor  # the same; x itself unless denoising
    y: Tensor | None  # [B, …] or [J, B, …]
    apart: bool

    def __len__(self) -> int:
        return self.x.shape[1 if self.apart else 0]

    def of(self, place: int) -> Batch:
        """What the job at that place meets."""
        x, target = (self.x[place], self.target[place]) if self.apart else (self.x, self.target)
        return Batch(x, target, self.y if self.y is None or not self.apart else self.y[place])

    def at(self, places: Tensor | None) -> "Together":
        """The slices at these places; None: as they are."""
        if not self.apart or places is None:
            return self
        x = self.x[places]
        target = x if self.target is self.x else self.target[places]
        return Together(x, target, None if self.y is None else self.y[places], True)


class _Told(nn.Module):
    """A job that also tells which buffers its forward pass assigned: functional_call forgets them."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job

    def forward(self, batch: Batch, step: Step) -> tuple[Tensor, Named, Named]:
        before = dict(self.named_buffers())
        terms = self.job(batch, step)
        assigned = {name: new for name, new in self.named_buffers() if new is not before[name]}
        return terms.loss, terms.logs, assigned


class Stack:
    """J jobs as one: each parameter and buffer has a leading axis of length J. Names begin with ``job.``.

    Args:
        jobs: of one structure; their values are copied.
        device: where the stack lives.
    """

    def __init__(self, jobs: Sequence[Job], device: torch.device) -> None:
        self.told = _Told(jobs[0])
        every = [_Told(job) for job in jobs]
        self.parameters: dict[str, nn.Parameter] = {
            name: nn.Parameter(_stacked([dict(one.named_parameters())[name] for one in every], device), p.requires_grad)
            for name, p in self.told.named_parameters()
        }
        self.buffers: Named = {
            name: _stacked([dict(one.named_buffers())[name] for one in every], device)
            for name, _ in self.told.named_buffers()
        }
        self.saved = list(self.told.state_dict())  # names of what a checkpoint holds

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    def parameters_of(self, phase: str) -> list[nn.Parameter]:
        """What the optimizer of that phase updates, in the order of :meth:`Job.parameters_of`."""
        prefixes = tuple(f"job.{prefix}" for prefix in self.told.job.prefixes(phase))
        return [p for name, p in self.parameters.items() if name.startswith(prefixes)]

    def call(self, batch: Together, step: Step, draws: list[tuple[Tensor, bool]], training: bool) -> LossTerms:
        """Losses [J] and terms, each [J]; what a forward pass assigns is kept while training.

        Args:
            batch: what the jobs meet.
            step: where in training; its noise is not used.
            draws: as the step asks for them, each with whether it has one slice per job.
            training: or scoring.
        """
        self.told.train(training)
        same = batch.target is batch.x

        def one(state: Mapping[str, Tensor], x: Tensor, target: Tensor, y: Tensor | None, drawn: list[Tensor]) -> Any:
            at = Step(step.count, step.epoch, GivenNoise(drawn), step.phase, step.train_size)
            return functional_call(self.told, dict(state), (Batch(x, x if same else target, y), at))

        of_batch = 0 if batch.apart else None
        of_draws = [0 if apart else None for _, apart in draws]
        dims = (0, of_batch, of_batch, None if batch.y is None else of_batch, of_draws)
        given = ({**self.parameters, **self.buffers}, batch.x, batch.target, batch.y, [drawn for drawn, _ in draws])
        loss, logs, assigned = torch.vmap(one, in_dims=dims)(*given)
        if training:
            self.buffers.update({name: new.detach() for name, new in assigned.items()})
        return LossTerms(loss, logs)

    def asked(self, batch: Batch, step: Step, noise: Noise, training: bool) -> Asked:
        """The draws that a step asks for, found by the first job's."""
        self.told.train(training)
        noted = NotedNoise(noise)
        at = Step(step.count, step.epoch, noted, step.phase, step.train_size)
        with torch.no_grad():
            functional_call(self.told, self.values_of(0), (batch, at))
        return noted.asked

    def values_of(self, place: int) -> Named:
        """Parameters and buffers of one job, sharing memory with the stack."""
        return {name: value[place].detach() for name, value in {**self.parameters, **self.buffers}.items()}

    def state_of(self, place: int) -> Named:
        """One job's part of a checkpoint, copied: a slice would take the whole stack into the file."""
        values = self.values_of(place)
        return {name: values[name].clone() for name in self.saved}

    def load(self, states: Sequence[Named]) -> None:
        """One job's checkpoint each."""
        for place, state in enumerate(states):
            for name in self.saved:
                value = self.parameters.get(name, self.buffers.get(name))
                assert value is not None
                value.data[place].copy_(state[name])

    def keep(self, places: Tensor) -> None:
        """Go on with the jobs at these places alone: long [kept]. The parameters stay the same objects."""
        for p in self.parameters.values():
            grad = None if p.grad is None else p.grad[places]
            p.grad = None
            p.data = p.data[places]
            p.grad = grad
        self.buffers = {name: value[places] for name, value in self.buffers.items()}


def _stacked(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    return torch.stack([t.detach() for t in tensors]).to(device)
