"""A whole training step as one CUDA graph (``graph=true``).

On a GPU, most of the time of a small network's step passes between kernels: Python decides what to launch next, and the
GPU waits. A CUDA graph records the kernels of a step once (loss, gradients, clipping, optimizers), and replays them all
with one call. A graph repeats the same kernels on the same memory. Therefore

- whatever differs from step to step is copied into tensors that the graph reads: the examples, the position in
  training, the draws of noise, which are those of a step without a graph, and the learning rates;
- state that a step assigns, such as the σ of a likelihood, is copied back into the tensors that the graph reads;
- the terms of the loss are copied out of the graph's memory.

The steps before the capture are ordinary ones, in which optimizers make their state and the draws are noted. Batches of
another size (the last of an epoch) are also trained by ordinary steps, on the same weights.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from vae_lab.errors import RunFailed
from vae_lab.noise import Asked, GivenNoise, NotedNoise, drawn
from vae_lab.training.engine import Engine, NoiseOf, OptimizerHook, Place
from vae_lab.types import Batch, LossTerms, Noise

ORDINARY = 3  # steps before the capture; the first ones initialise libraries and choose kernels


class Recorder(Protocol):
    """Records work on the device, and repeats it."""

    def beside(self, work: Callable[[], dict[str, LossTerms]]) -> dict[str, LossTerms]:
        """Carry out an ordinary step in the way that a later recording requires."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record what ``work`` does to tensors, which may be done or not; the result repeats it."""


class CudaGraph:
    """Records a CUDA graph."""

    def beside(self, work: Callable[[], dict[str, LossTerms]]) -> dict[str, LossTerms]:
        """Carry out work on another stream than the default one, which a graph cannot record."""
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            result = work()
        current.wait_stream(stream)
        return result

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record the kernels that ``work`` launches, without running them; the result runs them."""
        graph = torch.cuda.CUDAGraph()
        # A weight that was converted to bf16 outside the graph would be read in it as it was, whatever the weight is.
        torch.clear_autocast_cache()
        try:
            with torch.cuda.graph(graph):
                work()
        finally:
            torch.clear_autocast_cache()
        return graph.replay


@dataclass
class _Fixed:
    """The tensors that a recorded step reads, and those that it writes."""

    batch: Batch
    count: Tensor  # []
    time: Tensor  # []
    draws: dict[tuple[int, int], list[Tensor]]  # of each phase and repeat
    names: dict[str, list[str]]  # of the terms of each phase, in the order of the values
    values: Tensor  # [terms], the loss of each phase followed by its terms


class Captured:
    """Takes the steps of an engine, those of one batch size as a graph.

    Args:
        engine: takes ordinary steps; its optimizers may be Lightning's wrappers.
        module: the module whose parameters and state are trained.
        size: number of examples in the batches to capture.
        stepped: called for each step of a phase's optimizer that a graph has taken.
        recorder: records and repeats.
    """

    def __init__(
        self,
        engine: Engine,
        module: nn.Module,
        size: int,
        stepped: OptimizerHook,
        recorder: Recorder | None = None,
    ) -> None:
        self.engine, self.size, self.stepped = engine, size, stepped
        self.recorder = recorder or CudaGraph()
        self.optimizers = [cast(Optimizer, getattr(p.optimizer, "optimizer", p.optimizer)) for p in engine.phases]
        bare = [replace(phase, optimizer=optimizer) for phase, optimizer in zip(engine.phases, self.optimizers)]
        self._recorded = replace(engine, phases=bare)  # the wrappers count steps, which a recording does not take
        self._owners = [(m, key) for m in module.modules() for key in m._buffers]
        self._asked: dict[tuple[int, int], Asked] = {}
        self._before = ORDINARY  # ordinary steps that are left
        self._fixed: _Fixed | None = None
        self._replay: Callable[[], None] | None = None

    def take(self, batch: Batch, at: Place) -> dict[str, LossTerms]:
        """Train on one batch, with the signature of the engine.

        Raises:
            RunFailed: the step cannot be captured.
        """
        if len(batch.x) != self.size:
            return self._beside_the_graph(batch, at)
        if self._before:
            self._before -= 1
            return self.recorder.beside(lambda: self._ordinary(batch, at))
        if self._replay is None:
            self._capture(batch, at)
        return self._replayed(batch, at)

    def _beside_the_graph(self, batch: Batch, at: Place) -> dict[str, LossTerms]:
        """A step of the engine, whose state ends up in the tensors that the graph reads."""
        state = self._state()
        terms = self.engine.take(batch, at)
        if self._replay is not None:
            self._carry(state)
        return terms

    def _ordinary(self, batch: Batch, at: Place) -> dict[str, LossTerms]:
        """A step of the engine, whose draws are noted."""
        noted: dict[tuple[int, int], NotedNoise] = {}

        def noise(phase: int, repeat: int) -> Noise:
            return noted.setdefault((phase, repeat), NotedNoise(self.engine.noise(at, phase, repeat)))

        terms = self.engine.pass_phases(batch, at, at.count(self.engine.device), at.time(self.engine.device), noise)
        self._average(at)
        self._asked = {key: one.asked for key, one in noted.items()}
        return terms

    def _capture(self, batch: Batch, at: Place) -> None:
        """Record a step."""
        for optimizer in self.optimizers:
            capturable(optimizer, self.engine.device)
        state, fixed = self._state(), self._fix(batch, at)

        def work() -> None:
            given: NoiseOf = lambda phase, repeat: GivenNoise(fixed.draws[phase, repeat])  # noqa: E731
            terms = self._recorded.pass_phases(fixed.batch, at, fixed.count, fixed.time, given)
            fixed.names = {phase: list(of_phase.logs) for phase, of_phase in terms.items()}
            rows = [value for t in terms.values() for value in (t.loss.detach(), *t.logs.values())]
            fixed.values = torch.stack([row.float() for row in rows])
            self._carry(state)

        try:
            self._replay = self.recorder.record(work)
        except Exception as why:
            reason = shorten(str(why), 160, placeholder="…")
            raise RunFailed(f"graph=true: this step cannot be captured ({reason}); type graph=false") from why
        self._fixed = fixed

    def _fix(self, batch: Batch, at: Place) -> _Fixed:
        """Tensors for a step of this kind, filled with those of one."""
        x = batch.x.clone()
        target = x if batch.target is batch.x else batch.target.clone()
        y = None if batch.y is None else batch.y.clone()
        draws = {key: drawn(self.engine.noise(at, *key), asked) for key, asked in self._asked.items()}
        device = self.engine.device
        return _Fixed(Batch(x, target, y), at.count(device), at.time(device), draws, {}, x.new_zeros(0))

    def _replayed(self, batch: Batch, at: Place) -> dict[str, LossTerms]:
        assert self._fixed is not None
        assert self._replay is not None
        fixed = self._fixed
        fixed.batch.x.copy_(batch.x)
        if fixed.batch.target is not fixed.batch.x:
            fixed.batch.target.copy_(batch.target)
        if fixed.batch.y is not None and batch.y is not None:
            fixed.batch.y.copy_(batch.y)
        fixed.count.fill_(at.steps)
        fixed.time.fill_(at.position / at.batches)
        for (phase, repeat), draws in fixed.draws.items():
            for place, draw in zip(draws, drawn(self.engine.noise(at, phase, repeat), self._asked[phase, repeat])):
                place.copy_(draw)
        self._replay()
        for phase_ in self.engine.phases:
            for _ in range(phase_.repeats):
                self.stepped(phase_.optimizer)
        self._average(at)
        return _terms(fixed.names, fixed.values.clone().unbind())

    def _average(self, at: Place) -> None:
        if at.last and self.engine.average is not None:
            self.engine.average.update(at.steps_after)

    def _state(self) -> list[Tensor | None]:
        return [owner._buffers[key] for owner, key in self._owners]

    def _carry(self, state: Sequence[Tensor | None]) -> None:
        """Copy state that was assigned in a step into the tensors that were there before it, and put these back."""
        for before, after in zip(state, self._state()):
            if before is not None and after is not None and after is not before:
                before.copy_(after)
        for (owner, key), kept in zip(self._owners, state):
            owner._buffers[key] = kept


def _terms(names: Mapping[str, Sequence[str]], values: Sequence[Tensor]) -> dict[str, LossTerms]:
    """The terms of all phases from their values, one after the other."""
    rest = iter(values)
    return {phase: LossTerms(next(rest), {name: next(rest) for name in of_phase}) for phase, of_phase in names.items()}


def why_not(device: torch.device, processes: int, half: bool, accumulate: int, optimizers: Sequence[Optimizer]) -> str:
    """Why steps cannot be captured with these settings, in a clause; empty if they may be.

    Args:
        device: the device of training.
        processes: number of processes that train together.
        half: whether losses are scaled, as in fp16.
        accumulate: batches per optimizer step.
        optimizers: one of each kind that is used.
    """
    if device.type != "cuda":
        return "CUDA graphs need a CUDA GPU"
    if processes > 1:
        return "several processes train together"
    if half:
        return "precision=fp16 reads the size of gradients in every step"
    if accumulate > 1:
        return f"training.accumulate={accumulate} is above 1"
    unable = [type(o).__name__ for o in optimizers if "capturable" not in o.defaults and not isinstance(o, SGD)]
    return f"torch.optim.{unable[0]} cannot be captured" if unable else ""


def capturable(optimizer: Optimizer, device: torch.device) -> None:
    """Put what an optimizer changes from step to step into tensors on the device: learning rates and counts of steps.

    Schedulers write a learning rate into such a tensor.
    """
    # The last batches of epochs are ordinary steps of such an optimizer, for which torch advises another setting.
    warnings.filterwarnings("ignore", message=".*capturable=True.*")
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = device.type == "cuda"
        group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32).to(device, copy=True)
    for state in optimizer.state.values():
        if isinstance(state.get("step"), Tensor):
            state["step"] = state["step"].to(device)


def plain_settings(optimizer_state: dict[str, object]) -> None:
    """Make the settings in an optimizer's ``state_dict`` those of an optimizer that was never captured."""
    for group in cast(list[dict[str, object]], optimizer_state["param_groups"]):
        if isinstance(group["lr"], Tensor):
            group["lr"] = float(group["lr"])
        if "capturable" in group:
            group["capturable"] = False
