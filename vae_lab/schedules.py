"""Schedules of the KL term: how its weight changes during training.

An objective adds ``k2 · schedule(kl, epoch)`` to its loss. A schedule is a callable of two tensors:

- ``kl`` []: the KL term in nats per example, a mean over the batch;
- ``epoch`` []: the time since the start of training, in epochs, with a fraction.

It returns the tensor [] that k2 multiplies. Validation and test pass epoch = inf, at which every schedule has reached
its final value; their losses are therefore comparable between epochs.

>>> import torch
>>> warm_up, kl = Linear(epochs=10), torch.tensor(20.0)
>>> [warm_up(kl, torch.tensor(epoch)).item() for epoch in (0.0, 2.5, 10.0, float("inf"))]
[0.0, 5.0, 20.0, 20.0]

A schedule with the attribute ``warms_up = True`` multiplies the KL by a weight that rises to 1.

The settings of a schedule are buffers, because jobs that differ in them can be trained as one stack. Checkpoints do not
contain them.
"""

from typing import Annotated

import torch
from annotated_types import Gt, Le
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn


class _Schedule(nn.Module):
    """Base class that keeps each setting as a buffer of its name."""

    def __init__(self, **numbers: float) -> None:
        super().__init__()
        for name, number in numbers.items():
            self.register_buffer(name, torch.tensor(float(number)), persistent=False)


class Constant:
    """No schedule: the KL is returned unchanged, so that its weight is k2 at all times."""

    def __call__(self, kl: Tensor, epoch: Tensor) -> Tensor:
        """Return ``kl`` []."""
        return kl


class Linear(_Schedule):
    """Warm-up: the weight rises linearly from 0 to 1 and then stays there, min(1, t/T) · KL.

    Source: Sønderby et al. 2016, arXiv 1602.02282, section 2.3.

    Args:
        epochs: T, the length of the warm-up in epochs.
    """

    warms_up = True
    epochs: Tensor

    def __init__(self, epochs: PositiveFloat) -> None:
        super().__init__(epochs=epochs)

    def forward(self, kl: Tensor, epoch: Tensor) -> Tensor:
        """Return min(1, t/T) · KL: []."""
        return kl * (epoch / self.epochs).clamp(max=1)


class Cyclical(_Schedule):
    """Repeated warm-ups: in each cycle the weight rises linearly from 0 to 1 and then stays there.

    The weight is min(1, τ/R) with τ in [0, 1) the position in the present cycle; after the last cycle it is 1 (arXiv
    1903.10145, equation 6).

    Args:
        epochs: length of all cycles together, in epochs.
        cycles: number of cycles.
        ratio: R, the share of a cycle during which the weight rises.

    >>> schedule, kl = Cyclical(epochs=40, cycles=4, ratio=0.5), torch.tensor(20.0)
    >>> [schedule(kl, torch.tensor(epoch)).item() for epoch in (0.0, 2.5, 5.0, 9.0, 10.0, 40.0)]
    [0.0, 10.0, 20.0, 20.0, 0.0, 20.0]
    """

    warms_up = True
    epochs: Tensor
    period: Tensor
    ratio: Tensor

    def __init__(self, epochs: PositiveFloat, cycles: PositiveInt, ratio: Annotated[float, Gt(0), Le(1)]) -> None:
        super().__init__(epochs=epochs, period=epochs / cycles, ratio=ratio)

    def forward(self, kl: Tensor, epoch: Tensor) -> Tensor:
        """Return min(1, τ/R) · KL: []."""
        position = torch.where(epoch < self.epochs, torch.remainder(epoch, self.period) / self.period, 1.0)
        return kl * (position / self.ratio).clamp(max=1)


class Capacity(_Schedule):
    """Controlled capacity: |KL − C(t)|, where C rises linearly from 0 to its final value.

    The KL is thereby drawn to a given number of nats instead of to 0 (Burgess et al. 2018, arXiv 1804.03599, equation
    8). The paper's γ is k2 (1000 there). The absolute value is taken of the batch mean of the KL, as in the authors'
    code and in disentanglement_lib.

    Near C the gradient is ±γ ∂KL, however small the distance, so that a large γ drowns the gradient of recon: on MNIST
    (``model=dense``, three epochs, C = 25 after two), recon ends at 15.6, 21.7 and 47.3 for γ = 1, 10 and 100. γ need
    only be larger than the nats of recon that one more nat of KL gains at C. With ``likelihood=mse``, the default
    k2 = 1 is. With a smaller γ than that, as in runs with a learned σ and k2 = 1, the KL exceeds C.

    Args:
        capacity: final value of C, in nats per example.
        epochs: epochs over which C rises.

    >>> Capacity(capacity=25, epochs=10)(torch.tensor(18.0), torch.tensor(4.0))  # C = 10 after 4 epochs
    tensor(8.)
    """

    capacity: Tensor
    epochs: Tensor

    def __init__(self, capacity: PositiveFloat, epochs: PositiveFloat) -> None:
        super().__init__(capacity=capacity, epochs=epochs)

    def forward(self, kl: Tensor, epoch: Tensor) -> Tensor:
        """Return |KL − C(t)|: []."""
        return (kl - self.capacity * (epoch / self.epochs).clamp(max=1)).abs()
