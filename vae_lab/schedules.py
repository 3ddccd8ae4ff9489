"""How the weight of the KL term changes during training: the objective's ``k2 · schedule(kl, epoch)``.

Each is called with the batch mean of the KL, ``kl`` [] in nats, and the time in epochs, ``epoch`` [], as tensors, and
returns what k2 is multiplied with. At epoch = inf, where val and test are scored, each has reached its end.

Their numbers are buffers: jobs that are trained as one stack differ in them. Checkpoints do not hold them.
"""

from typing import Annotated

import torch
from annotated_types import Gt, Le
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn


class _Numbered(nn.Module):
    """Keeps numbers as buffers of those names."""

    def __init__(self, **numbers: float) -> None:
        super().__init__()
        for name, number in numbers.items():
            self.register_buffer(name, torch.tensor(float(number)), persistent=False)


class Constant:
    """No schedule: KL as it is."""

    def __call__(self, kl: Tensor, epoch: Tensor) -> Tensor:
        """Kl itself."""
        return kl


class Linear(_Numbered):
    """Warm-up from 0 to 1 over the first ``epochs`` (Sønderby et al. 2016, arXiv 1602.02282, section 2.3)."""

    epochs: Tensor

    def __init__(self, epochs: PositiveFloat) -> None:
        super().__init__(epochs=epochs)

    def forward(self, kl: Tensor, epoch: Tensor) -> Tensor:
        """min(1, t/T) · KL."""
        return kl * (epoch / self.epochs).clamp(max=1)


class Cyclical(_Numbered):
    """``cycles`` warm-ups, each rising over a share ``ratio`` of its cycle (arXiv 1903.10145, equation 6)."""

    epochs: Tensor
    period: Tensor
    ratio: Tensor

    def __init__(self, epochs: PositiveFloat, cycles: PositiveInt, ratio: Annotated[float, Gt(0), Le(1)]) -> None:
        super().__init__(epochs=epochs, period=epochs / cycles, ratio=ratio)

    def forward(self, kl: Tensor, epoch: Tensor) -> Tensor:
        """min(1, τ/R) · KL with τ the position in the cycle, in [0, 1)."""
        position = torch.where(epoch < self.epochs, torch.remainder(epoch, self.period) / self.period, 1.0)
        return kl * (position / self.ratio).clamp(max=1)


class Capacity(_Numbered):
    """|KL − C(t)| with C rising linearly from 0 to ``capacity`` nats over ``epochs``.

    Burgess et al. 2018 (arXiv 1804.03599, equation 8); γ of the paper is k2 (1000 there). The KL inside is the batch
    mean, as in the authors' and in disentanglement_lib's code.
    """

    capacity: Tensor
    epochs: Tensor

    def __init__(self, capacity: PositiveFloat, epochs: PositiveFloat) -> None:
        super().__init__(capacity=capacity, epochs=epochs)

    def forward(self, kl: Tensor, epoch: Tensor) -> Tensor:
        """|KL − C(t)|."""
        return (kl - self.capacity * (epoch / self.epochs).clamp(max=1)).abs()
