"""Exponential moving average of the weights, with which a run is validated and scored (``training.ema``).

After optimizer step t = 1, 2, … the average moves towards the trained weights θ_t:

    θ̄_t = d_t θ̄_{t−1} + (1 − d_t) θ_t,   d_t = min(decay, (1 + t)/(10 + t)),   θ̄_0 = θ_0.

With a constant d, θ_0 would have the weight d^t in the average: 0.37 after 1,000 steps with decay 0.999. The smaller
d_t at the start give it 10!/((t + 2)⋯(t + 10)), which is 6·10⁻⁵ after 10 steps, and the average reaches back over
1/(1 − d_t) = (10 + t)/9 steps, about a ninth of those so far, until that is 1/(1 − decay). d_t depends on nothing
but t, so a resumed run needs no state but θ̄.

Buffers of real numbers (the running moments of batch normalisation, the σ of a likelihood, the codebook of a quantizer)
are averaged in the same way. They were estimated with the trained weights, from which the averaged ones differ in
general; their average is to first order what the averaged weights would have estimated. Other buffers are copied.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Named = dict[str, Tensor]


class WeightAverage:
    """The average of some tensors over the optimizer steps.

    The tensors are read anew at each step, since a buffer is replaced by a new tensor when it changes.

    Args:
        decay: largest d_t.
        current: returns the present tensors by name, always in the same order. They are the average to begin with.
    """

    def __init__(self, decay: float, current: Callable[[], Mapping[str, Tensor]]) -> None:
        self.decay, self._current = decay, current
        begin = current()
        self._names = [name for name, value in begin.items() if value.is_floating_point()]
        self._averages = [begin[name].detach().clone() for name in self._names]

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Continue from an average that was saved, by the same names; buffers that are never saved are left out."""
        for name, average in zip(self._names, self._averages):
            average.copy_(saved.get(name, average))

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Move towards the present tensors, once per optimizer step; ``steps`` is t, the number of steps so far."""
        current = self._current()
        towards = 1 - decay_at(steps, self.decay)
        torch._foreach_lerp_(self._averages, [current[name] for name in self._names], towards)

    def values(self) -> Named:
        """The averages and, of tensors that are not real numbers, the present values; they share memory with both."""
        others = {name: value.detach() for name, value in self._current().items()}
        return {**others, **dict(zip(self._names, self._averages))}

    def state_of(self, module: nn.Module) -> Named:
        """The ``state_dict`` of the module whose tensors these are, with the averages in their places."""
        averages = dict(zip(map(id, self._current().values()), self.values().values()))
        state = module.state_dict(keep_vars=True)  # it names a tensor that two modules share twice
        return {name: averages.get(id(value), value.detach()) for name, value in state.items()}

    def keep(self, places: Tensor) -> None:
        """Keep only the slices at these places along the first axis, long [kept]: those of the jobs of a stack."""
        self._averages = [average[places] for average in self._averages]


def decay_at(steps: int, decay: float) -> float:
    """d_t = min(decay, (1 + t)/(10 + t)) after t optimizer steps.

    >>> decay_at(8, 0.999), decay_at(10_000, 0.999)
    (0.5, 0.999)
    """
    return min(decay, (1 + steps) / (10 + steps))


def tensors_of(module: nn.Module) -> Callable[[], Named]:
    """A function that returns a module's parameters and present buffers by name, without walking through its tree."""
    parameters = dict(module.named_parameters())
    modules = dict(module.named_modules())
    places = [(name, modules[name.rpartition(".")[0]], name.rpartition(".")[2]) for name, _ in module.named_buffers()]

    def current() -> Named:
        buffers = {name: owner._buffers[key] for name, owner, key in places}
        return {**parameters, **{name: buffer for name, buffer in buffers.items() if buffer is not None}}

    return current
