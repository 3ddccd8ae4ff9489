"""The aggregate posterior of a set of examples, dimension by dimension: where codes lie, and which dimensions are used.

q(z) = (1/N) Σ_n q(z|x_n) has the mean of the means, and by the law of total variance the variance
mean σ² + var μ: the first part alone would leave out how far the codes of different examples lie apart.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vae_lab.latents.codes import Codes

ACTIVE = 0.01  # nats of KL from which on a dimension is active
ACTIVE_SHARE = 0.01  # of the largest variance, from which on a dimension of a deterministic model is active


@dataclass
class Aggregate:
    """Moments of the aggregate posterior of a level, and what each of its dimensions tells."""

    mean: Tensor  # [D]
    sd: Tensor  # [D], √(mean σ² + var μ)
    kl: Tensor | None  # [D] nats, the mean over examples; None: the codes are single points
    estimated: bool = False  # kl is an estimate of I(x; z_d), where the model has no KL of single dimensions

    @classmethod
    def of(cls, codes: Codes) -> "Aggregate":
        """The aggregate posterior of these codes.

        Where only the sum of the KL is known (flows, learned priors), ``kl`` is the information that z_d has about the
        example if q(z_d|x) and q(z_d) are taken for Gaussians, ½ (log sd_d² − mean log σ_d²). It is 0 for a dimension
        that ignores the example.
        """
        mean, spread = codes.mean.mean(0), codes.mean.var(0, correction=0)
        if codes.variance is None or codes.kl is None:
            return cls(mean, spread.sqrt(), None)
        total = spread + codes.variance.mean(0)
        if codes.kl.shape[1] == codes.mean.shape[1]:
            return cls(mean, total.sqrt(), codes.kl.mean(0))
        information = 0.5 * (total.log() - codes.variance.log().mean(0))
        return cls(mean, total.sqrt(), information.clamp(min=0), estimated=True)

    @property
    def order(self) -> Tensor:
        """The dimensions [D] by falling KL; those of a deterministic model by falling standard deviation."""
        return (self.sd if self.kl is None else self.kl).argsort(descending=True, stable=True)

    @property
    def active(self) -> Tensor:
        """Whether each dimension is used, bool [D]: a KL of at least :data:`ACTIVE` nats.

        In a deterministic model, a variance of at least :data:`ACTIVE_SHARE` of the largest one.
        """
        if self.kl is not None:
            return self.kl >= ACTIVE
        variance = self.sd.square()
        return (variance >= ACTIVE_SHARE * variance.max()) & (variance > 0)

    @property
    def active_order(self) -> Tensor:
        """The active dimensions by falling KL."""
        order = self.order
        return order[self.active[order]]

    def normalised(self, z: Tensor) -> Tensor:
        """The active dimensions of codes [N, D] in units of their standard deviation, for distances between codes."""
        return ((z - self.mean) / self.sd.clamp(min=torch.finfo(z.dtype).tiny))[:, self.active]
