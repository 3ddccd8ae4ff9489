"""The aggregate posterior q(z) = (1/N) Σ_n q(z|x_n) itself: codes of random training images, drawn with replacement.

Nothing is learned and nothing is new: every sample stands on a training image. What an image of such a code scores is
what any sampler of codes could reach with this decoder. Of a conditional model the labels are drawn apart from the
codes, here as with every sampler: that is right as far as q(z) is the same for every label.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vae_lab.samplers.fitted import Fitted
from vae_lab.types import Noise, Progress


class Aggregate(Fitted):
    """Keeps all codes [N, ...], real or discrete: one draw of q(z|x) per training example."""

    label = "the codes of training images"
    takes = ("real", "discrete")
    codes: Tensor

    def build(self, *sizes: int) -> None:
        """The shape of the codes."""
        super().build(*sizes)
        self.register_buffer("codes", torch.zeros(sizes))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Restore the codes with their own dtype."""
        return super().load_state_dict(state_dict, strict, assign=True)

    def fit(self, codes: Tensor, noise: Noise, progress: Progress) -> None:
        """Keep them."""
        self.build(*codes.shape)
        self.codes = codes
        self.about = {"stands_on": "every sample is decoded from the code of a training image"}

    def sample(self, n: int, noise: Noise) -> Tensor:
        """n of them, drawn with replacement: [n, ...]."""
        return self.codes[(noise.uniform(n).double() * len(self.codes)).long()]
