"""The aggregate posterior q(z) = (1/N) Σ_n q(z|x_n): codes of random training examples, drawn with replacement.

Nothing is learnt, and every sample is decoded from the code of a training example. The scores of these samples show
what a sampler of codes could reach with this decoder. In a conditional model the labels are drawn independently of the
codes, as with every sampler; this is correct to the extent that q(z) is the same for every label.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from vae_lab.samplers.fitted import Fitted
from vae_lab.types import Noise, Progress


class Aggregate(Fitted):
    """Stores all codes [N, ...], real or discrete: one draw of q(z|x) per training example."""

    label = "the codes of training images"
    takes = ("real", "discrete")
    tempered = False  # there is no noise whose temperature could be lowered
    codes: Tensor

    def build(self, *sizes: int) -> None:
        """Create the buffer for the codes; ``sizes`` is their shape."""
        super().build(*sizes)
        self.register_buffer("codes", torch.zeros(sizes))

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False) -> object:
        """Restore the codes with the dtype that they were saved in."""
        return super().load_state_dict(state_dict, strict, assign=True)

    def fit(self, codes: Tensor, noise: Noise, progress: Progress) -> None:
        """Store the codes."""
        self.build(*codes.shape)
        self.codes = codes
        self.about = {"stands_on": "every sample is decoded from the code of a training image"}

    def sample(self, n: int, noise: Noise) -> Tensor:
        """Return n of the codes, drawn with replacement: [n, ...]."""
        return self.codes[(noise.uniform(n).double() * len(self.codes)).long()]
