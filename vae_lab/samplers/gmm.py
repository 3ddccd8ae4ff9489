"""A mixture of Gaussians with full covariances, p(z) = Σ_k π_k N(z; μ_k, Σ_k), fitted by EM (scikit-learn).

Ghosh et al. (arXiv 1903.12436, section 4) fit this density to codes after training, with 10 components. Everything is
computed in float64 on standardised codes; in single precision the covariance of few codes becomes indefinite.
"""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from vae_lab.errors import UserError
from vae_lab.functional import log_normal
from vae_lab.samplers.fitted import Standardised, seed_from
from vae_lab.types import Noise, Progress

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

CHUNK = 5  # EM steps between two updates of the progress
Counts = Annotated[list[PositiveInt], Field(min_length=1)]


class GMM(Standardised):
    """A mixture of Gaussians with full covariances.

    It is given by weights π [K], means μ [K, D] and Cholesky factors L [K, D, D] of Σ = L Lᵀ, for standardised codes.

    Args:
        components: K. From a list, the number with the lowest BIC = (free parameters) log N − 2 log p(codes) is chosen.
            K is never more than N / (D + 1), since each component has its own covariance.
        reg_covar: added to every variance; standardised codes have variance 1.
        starts: number of runs of EM, each started from k-means; the most likely mixture is kept.
        steps: largest number of EM steps.
        tol: EM stops when a step increases log p by less than this, in nats per code.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(
        self,
        components: PositiveInt | Counts = 10,
        reg_covar: NonNegativeFloat = 1e-6,
        starts: PositiveInt = 1,
        steps: PositiveInt = 200,
        tol: PositiveFloat = 1e-3,
    ) -> None:
        super().__init__()
        self.components = [components] if isinstance(components, int) else list(components)
        self.reg_covar, self.starts, self.steps, self.tol = reg_covar, starts, steps, tol

    @property
    def label(self) -> str:
        """A description such as ``a mixture of 10 Gaussians``."""
        k = len(self.weights)
        return f"a mixture of {k} Gaussian{'s' if k > 1 else ''}"

    def build(self, *sizes: int) -> None:
        """Create the parameters; ``sizes`` are D and K."""
        super().build(*sizes)
        d, k = sizes
        for name, shape in (("weights", (k,)), ("means", (k, d)), ("factors", (k, d, d))):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    def fit(self, codes: Tensor, noise: Noise, progress: Progress) -> None:
        """Fit a mixture to codes [N, D] for each number of components, and keep the one with the lowest BIC.

        Raises:
            UserError: a covariance is singular.
        """
        n, d = codes.shape
        self.build(d, 1)
        x, seed = self.standardise(codes).numpy(), seed_from(noise)
        most = max(1, n // (d + 1))
        counts = sorted({min(k, most) for k in self.components})
        mixtures = {k: self._most_likely(x, k, seed, progress) for k in counts}
        bic = {str(k): float(mixture.bic(x)) for k, mixture in mixtures.items()}
        best = min(mixtures.values(), key=lambda mixture: bic[str(mixture.n_components)])
        self.sizes = torch.tensor([d, best.n_components])
        self.weights, self.means = torch.from_numpy(best.weights_), torch.from_numpy(best.means_)
        self.factors = factorised(torch.from_numpy(best.covariances_))
        self.about = {
            "components": best.n_components,
            "bic": bic,
            "log_p": float(best.lower_bound_ - self.scale.log().sum()),
            "em_steps": best.steps_,
            "converged": bool(best.converged_),
        }

    def _most_likely(self, x: np.ndarray, k: int, seed: int, progress: Progress) -> "GaussianMixture":
        """Return the most likely of the mixtures that the runs of EM find."""
        mixtures = [self._em(x, k, seed + start, progress) for start in range(self.starts)]
        return max(mixtures, key=lambda mixture: mixture.lower_bound_)

    def _em(self, x: np.ndarray, k: int, seed: int, progress: Progress) -> "GaussianMixture":
        """Return the mixture that one run of EM finds; it runs a few steps at a time to show its progress."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        mixture = GaussianMixture(k, tol=self.tol, reg_covar=self.reg_covar, warm_start=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # ``about`` reports it
            for done in progress(range(0, self.steps, CHUNK), f"fitting {k} Gaussians to {len(x):,} codes"):
                try:
                    mixture.set_params(max_iter=min(CHUNK, self.steps - done)).fit(x)
                except ValueError as why:
                    raise _singular() from why
                mixture.steps_ = done + mixture.n_iter_
                if mixture.converged_:
                    break
        return mixture

    def sample(self, n: int, noise: Noise) -> Tensor:
        """Return n draws: [n, D]."""
        return self.restore(self.sample_standardised(n, noise))

    def sample_standardised(self, n: int, noise: Noise) -> Tensor:
        """Return n draws in the standardised scale: [n, D], float64."""
        which = torch.searchsorted(self.weights.cumsum(0), noise.uniform(n).double()).clamp(max=len(self.weights) - 1)
        eps = noise.normal(n, self.means.shape[1]).double()
        x = torch.empty_like(eps)
        # One component at a time, since a Cholesky factor for each draw would not fit into memory.
        for k in which.unique():
            chosen = which == k
            x[chosen] = self.means[k] + eps[chosen] @ self.factors[k].T
        return x

    def density(self) -> Callable[[Tensor], Tensor]:
        """Return a function that maps standardised codes, float32 [B, D], to log p in nats, [B]."""
        identity = torch.eye(self.means.shape[1], dtype=torch.float64).expand_as(self.factors)
        whiten = torch.linalg.solve_triangular(self.factors, identity, upper=False)
        centre = torch.einsum("kij,kj->ki", whiten, self.means).float()
        log_det = self.factors.diagonal(dim1=1, dim2=2).log().sum(1)
        whiten, log_weights = whiten.float(), (self.weights.log() - log_det).float()

        def log_p(x: Tensor) -> Tensor:
            eps = torch.einsum("kij,bj->bki", whiten, x) - centre
            return torch.logsumexp(log_weights + log_normal(eps).sum(-1), 1)

        return log_p


def factorised(covariances: Tensor) -> Tensor:
    """Return the Cholesky factors of covariances [K, D, D], in float64.

    Raises:
        UserError: a covariance is not positive definite.
    """
    factors, failed = torch.linalg.cholesky_ex(covariances.double())
    if failed.any() or not factors.isfinite().all():
        raise _singular()
    return factors


def _singular() -> UserError:
    return UserError(
        "sampler=gmm: a component's covariance is singular; type sampler.reg_covar=1e-3 or fewer sampler.components"
    )
