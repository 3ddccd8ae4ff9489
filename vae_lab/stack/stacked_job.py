"""The weights and buffers of several jobs of the same structure, and one call that evaluates all of them.

Shapes: J jobs in the stack; B, C, H, W as in :mod:`vae_lab.types`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vae_lab.noise import Asked, GivenNoise, NotedNoise
from vae_lab.training.job import Job
from vae_lab.types import Batch, LossTerms, Noise, Step

Named = dict[str, Tensor]
Draws = list[tuple[Tensor, bool]]  # draws of noise, each with whether it has one slice per job


@dataclass
class StackBatch(Batch):
    """A batch for several jobs: one batch that they share, or one slice per job along a leading axis.

    ``x`` and ``target`` are [B, C, H, W], and ``y`` is [B, …]. If ``per_job``, they are [J, B, C, H, W] and [J, B, …].
    """

    per_job: bool

    def __len__(self) -> int:
        return self.x.shape[1 if self.per_job else 0]

    def of(self, place: int) -> Batch:
        """Return the batch of the job at that place."""
        x, target = (self.x[place], self.target[place]) if self.per_job else (self.x, self.target)
        return Batch(x, target, self.y if self.y is None or not self.per_job else self.y[place])

    def at(self, places: Tensor | None) -> "StackBatch":
        """Return the slices at these places, long [J]; None, or a batch that all jobs share: the batch itself."""
        if not self.per_job or places is None:
            return self
        x = self.x[places]
        target = x if self.target is self.x else self.target[places]
        return StackBatch(x, target, None if self.y is None else self.y[places], True)


class _JobWithBuffers(nn.Module):
    """A job that also returns the buffers that its forward pass assigned, which ``functional_call`` discards."""

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
        jobs: jobs of the same structure; the values of their parameters and buffers are copied.
        device: device of the stack.
    """

    def __init__(self, jobs: Sequence[Job], device: torch.device) -> None:
        self.module = _JobWithBuffers(jobs[0])
        modules = [_JobWithBuffers(job) for job in jobs]
        self.parameters: dict[str, nn.Parameter] = {
            name: nn.Parameter(_stacked([dict(m.named_parameters())[name] for m in modules], device), p.requires_grad)
            for name, p in self.module.named_parameters()
        }
        self.buffers: Named = {
            name: _stacked([dict(m.named_buffers())[name] for m in modules], device)
            for name, _ in self.module.named_buffers()
        }
        self.saved = list(self.module.state_dict())  # names of the tensors that a checkpoint holds

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    def parameters_of(self, phase: str) -> list[nn.Parameter]:
        """Return the parameters that the optimizer of a phase updates, in the order of :meth:`Job.parameters_of`."""
        prefixes = tuple(f"job.{prefix}" for prefix in self.module.job.prefixes(phase))
        return [p for name, p in self.parameters.items() if name.startswith(prefixes)]

    def values(self) -> Named:
        """Return all parameters and buffers as they are now."""
        return {**self.parameters, **self.buffers}

    def call(
        self, batch: StackBatch, step: Step, draws: Draws, training: bool, values: Named | None = None
    ) -> LossTerms:
        """Return the losses [J] and the terms, each [J]; in training, keep the buffers that the forward pass assigns.

        Args:
            batch: the batches of the jobs.
            step: where in training this is; its noise is not used.
            draws: the draws of noise, in the order in which the step requests them.
            training: whether the jobs are in training mode, else in evaluation mode.
            values: the parameters and buffers to use; None: those of the stack.
        """
        self.module.train(training)
        same = batch.target is batch.x

        def call_one(
            state: Mapping[str, Tensor], x: Tensor, target: Tensor, y: Tensor | None, drawn: list[Tensor]
        ) -> tuple[Tensor, Named, Named]:
            at = Step(step.count, step.epoch, GivenNoise(drawn), step.phase, step.train_size)
            result: tuple[Tensor, Named, Named] = functional_call(
                self.module, dict(state), (Batch(x, x if same else target, y), at)
            )
            return result

        of_batch = 0 if batch.per_job else None
        of_draws = [0 if per_job else None for _, per_job in draws]
        dims = (0, of_batch, of_batch, None if batch.y is None else of_batch, of_draws)
        given = (values or self.values(), batch.x, batch.target, batch.y, [drawn for drawn, _ in draws])
        loss, logs, assigned = torch.vmap(call_one, in_dims=dims)(*given)
        if training:
            self.buffers.update({name: new.detach() for name, new in assigned.items()})
        return LossTerms(loss, logs)

    def asked(self, batch: Batch, step: Step, noise: Noise, training: bool) -> Asked:
        """Return the draws of noise that a step requests, found by a forward pass of the first job."""
        self.module.train(training)
        noted = NotedNoise(noise)
        at = Step(step.count, step.epoch, noted, step.phase, step.train_size)
        with torch.no_grad():
            functional_call(self.module, self.values_of(0), (batch, at))
        return noted.asked

    def values_of(self, place: int) -> Named:
        """Return the parameters and buffers of one job, sharing memory with the stack."""
        return {name: value[place].detach() for name, value in self.values().items()}

    def state_of(self, place: int, values: Named | None = None) -> Named:
        """Return one job's part of a checkpoint as a copy: saving a slice would write the whole stack to the file.

        Args:
            place: the place of the job.
            values: the parameters and buffers to save; None: those of the stack.
        """
        values = values or self.values()
        return {name: values[name][place].detach().clone() for name in self.saved}

    def load(self, states: Sequence[Named]) -> None:
        """Load the checkpoint of each job."""
        for place, state in enumerate(states):
            for name in self.saved:
                value = self.parameters.get(name, self.buffers.get(name))
                assert value is not None
                value.data[place].copy_(state[name])

    def keep(self, places: Tensor) -> None:
        """Keep only the jobs at these places, long [kept]. The parameters stay the same objects."""
        for p in self.parameters.values():
            grad = None if p.grad is None else p.grad[places]
            p.grad = None
            p.data = p.data[places]
            p.grad = grad
        self.buffers = {name: value[places] for name, value in self.buffers.items()}


def _stacked(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    return torch.stack([t.detach() for t in tensors]).to(device)
