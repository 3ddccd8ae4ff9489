"""What samplers share: sizes that are known once they are fitted, and codes on one scale."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vae_lab.types import Noise


class Fitted(nn.Module):
    """A module that is built when it is fitted, or to the sizes that a saved state tells.

    A subclass says in :meth:`build` which tensors and networks belong to which sizes.
    """

    sizes: Tensor
    takes: Sequence[str] = ("real",)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sizes", torch.zeros(0, dtype=torch.long))
        self.about: dict[str, Any] = {}

    def build(self, *sizes: int) -> None:
        """Make all tensors and networks, not fitted yet."""
        self.sizes = torch.tensor(sizes)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Build, then load."""
        self.build(*state_dict["sizes"].tolist())
        return super().load_state_dict(state_dict, strict, assign)


class Standardised(Fitted):
    """Codes of any scale as x = (z − shift) / scale, of mean 0 and variance 1 in every dimension that varies."""

    shift: Tensor  # [D], as scale
    scale: Tensor

    def build(self, *sizes: int) -> None:
        """The first size is D."""
        super().build(*sizes)
        for name in ("shift", "scale"):
            self.register_buffer(name, torch.ones(sizes[0], dtype=torch.float64))

    def standardise(self, codes: Tensor) -> Tensor:
        """Take shift and scale from codes [N, D], and apply them: float64."""
        z = codes.double()
        self.shift = z.mean(0)
        self.scale = torch.maximum(z.std(0, correction=0), 1e-6 * z.abs().amax(0)).clamp(min=1e-30)
        return (z - self.shift) / self.scale

    def restore(self, x: Tensor) -> Tensor:
        """Back to the scale of the codes: [n, D], float32."""
        return (self.shift + self.scale * x).float()


def seed_from(noise: Noise) -> int:
    """A seed for what draws by itself: initial weights, scikit-learn."""
    return int(noise.uniform(1).item() * 2**24)
