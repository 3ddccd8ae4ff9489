"""Spectral regularisation: λ Σ_i s_i, where s_i is the largest singular value of the weights of convolution i.

The weights are read as a matrix [out, in · kernel]. The term bounds how much a network can change its output when its
input changes a little, which keeps the KL of deep hierarchies stable (Vahdat & Kautz 2020, arXiv 2007.03898, equation
5). The singular values are estimated by power iteration, u ← W Wᵀ u normalised, and s = uᵀ W v with v = Wᵀ u normalised
has the gradient u vᵀ (Yoshida & Miyato 2017, arXiv 1705.10941). Weights of the same shape are iterated together.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.nets.functorch import is_differentiated

ITERATIONS = 4  # per training step, as in the code of NVAE's authors; the vectors are kept from step to step


class SpectralNorms(nn.Module):
    """The sum of the largest singular values of several convolutions, times a weight.

    Args:
        layers: the convolutions. They stay parts of the model alone.
        weight: λ.
    """

    weight: Tensor

    def __init__(self, layers: Iterable[nn.Conv2d], weight: PositiveFloat) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(float(weight)), persistent=False)
        by_shape: dict[tuple[int, int], list[nn.Conv2d]] = defaultdict(list)
        for layer in layers:
            matrix = layer.weight.flatten(1)
            by_shape[matrix.shape[0], matrix.shape[1]].append(layer)
        self._groups: Sequence[tuple[nn.Conv2d, ...]] = [tuple(group) for group in by_shape.values()]
        for i, (rows, _) in enumerate(by_shape):
            self.register_buffer(f"u{i}", F.normalize(torch.randn(len(self._groups[i]), rows, 1), dim=1))

    def forward(self) -> Tensor:
        """λ Σ s_i: []. Each call replaces the vectors of the iteration by better ones."""
        return self.weight * torch.stack([self._largest(i).sum() for i in range(len(self._groups))]).sum()

    def _largest(self, group: int) -> Tensor:
        """Estimates of the largest singular values of the weights of one shape: [layers]."""
        w = torch.stack([layer.weight.flatten(1) for layer in self._groups[group]]).float()
        constant, u = w.detach(), getattr(self, f"u{group}")
        for _ in range(ITERATIONS):
            v = F.normalize(constant.mT @ u, dim=1)
            u = F.normalize(constant @ v, dim=1)
        if not is_differentiated(w):  # a tensor inside a derivative within the loss must not become the state
            setattr(self, f"u{group}", u)
        return (u * (w @ v)).sum((1, 2))
