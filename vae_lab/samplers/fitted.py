"""Base classes of samplers: modules whose sizes are known only when they are fitted, and standardised codes."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vae_lab.types import Noise


class Fitted(nn.Module):
    """A module whose tensors and networks are created when it is fitted, or when a saved state is loaded.

    A subclass creates them in :meth:`build`. The sizes are part of the saved state.
    """

    sizes: Tensor
    takes: Sequence[str] = ("real",)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sizes", torch.zeros(0, dtype=torch.long))
        self.about: dict[str, object] = {}

    def build(self, *sizes: int) -> None:
        """Create all tensors and networks for these sizes, without fitting them."""
        self.sizes = torch.tensor(sizes)

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False) -> object:
        """Create the tensors and networks for the saved sizes, then load the state as in ``nn.Module``."""
        self.build(*state_dict["sizes"].tolist())
        return super().load_state_dict(state_dict, strict, assign)


class Standardised(Fitted):
    """A sampler that works on codes x = (z − shift) / scale, with mean 0 and variance 1 in all dimensions that vary."""

    shift: Tensor  # [D]
    scale: Tensor  # [D]

    def build(self, *sizes: int) -> None:
        """Create the buffers of shift and scale; the first of ``sizes`` is D."""
        super().build(*sizes)
        for name in ("shift", "scale"):
            self.register_buffer(name, torch.ones(sizes[0], dtype=torch.float64))

    def standardise(self, codes: Tensor) -> Tensor:
        """Set shift and scale from codes [N, D], and return the standardised codes in float64."""
        z = codes.double()
        self.shift = z.mean(0)
        self.scale = torch.maximum(z.std(0, correction=0), 1e-6 * z.abs().amax(0)).clamp(min=1e-30)
        return (z - self.shift) / self.scale

    def restore(self, x: Tensor) -> Tensor:
        """Return standardised codes [n, D] in the original scale, in float32."""
        return (self.shift + self.scale * x).float()


def seed_from(noise: Noise) -> int:
    """Return a seed for code that has its own random generator: torch's weight initialisation, scikit-learn."""
    return int(noise.uniform(1).item() * 2**24)
