"""The formulas that the rest of the package uses, each written once: densities, divergences, kernels.

All of them are pure functions of tensors, and all logarithms are natural, so that densities and divergences are in
nats. Shapes are given in brackets; "elementwise" means that the arguments are broadcast and nothing is summed.

>>> import torch
>>> mu, log_var = torch.zeros(5, 3), torch.zeros(5, 3)  # 5 examples, 3 latent dimensions
>>> kl_normal(mu, log_var).sum(1)  # nats per example: zero, since each posterior equals N(0, I)
tensor([0., 0., 0., 0., 0.])
>>> z = reparameterize(mu, log_var, torch.randn(10, 5, 3))  # 10 samples of each posterior
>>> log_normal(z, mu, log_var).sum(-1).shape  # log q(z|x)
torch.Size([10, 5])
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)
IMQ_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # scales of the kernels that the WAE's authors sum


def kl_normal(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL[N(μ, σ²) ‖ N(0, 1)] = ½ (μ² + σ² − 1 − log σ²) in nats, elementwise (arXiv 1312.6114, appendix B).

    Args:
        mu: means μ.
        log_var: log σ², of the same shape.
    """
    return 0.5 * (mu.square() + torch.expm1(log_var) - log_var)  # expm1 stays accurate where σ² is close to 1


def log_normal(z: Tensor, mu: Tensor | float = 0.0, log_var: Tensor | float = 0.0) -> Tensor:
    """log N(z; μ, σ²) = −½ (log 2π + log σ² + (z − μ)²/σ²) in nats, elementwise.

    Args:
        z: points at which the density is evaluated.
        mu: means μ, of a shape that broadcasts with z.
        log_var: log σ², of a shape that broadcasts with z. The default is the standard normal N(0, 1).
    """
    log_var = torch.as_tensor(log_var, dtype=z.dtype, device=z.device)
    return -0.5 * (LOG_2PI + log_var + (z - mu).square() * torch.exp(-log_var))


def log_normal_pairs(mu: Tensor, log_var: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the function that evaluates M diagonal Gaussians at many points: z [..., D] to log densities [..., M].

    The value for point z and Gaussian m is Σ_d log N(z_d; μ_md, σ_md²), in nats. The square (z − μ)² is expanded, so
    that all pairs are computed by two matrix products. The expanded terms are large and cancel, so the computation uses
    float64, except on Apple's GPU, which does not support it.

    Args:
        mu: means [M, D].
        log_var: log σ² [M, D].
    """
    wide = torch.float32 if mu.device.type == "mps" else torch.float64
    mu, log_var = mu.to(wide), log_var.to(wide)
    precision = torch.exp(-log_var)
    constant, weighted = log_normal(torch.zeros_like(mu), mu, log_var).sum(1), mu * precision

    def log_prob(z: Tensor) -> Tensor:
        z = z.to(wide)
        return constant + z @ weighted.T - 0.5 * z.square() @ precision.T

    return log_prob


def reparameterize(mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
    """z = μ + σ ε, the reparameterisation trick: a sample of N(μ, σ²) with gradients to μ and σ.

    Source: arXiv 1312.6114, section 2.4.

    Args:
        mu: means [B, D].
        log_var: log σ² [B, D].
        eps: draws from N(0, 1), [K, B, D], or any shape that broadcasts with the means.
    """
    return torch.addcmul(mu, torch.exp(0.5 * log_var), eps)


def noised(x: Tensor, sigma: float, eps: Tensor) -> Tensor:
    """x + σ ε, clamped to the range [0, 1] of images."""
    return (x + sigma * eps).clamp(0, 1)


def log_mean_exp(x: Tensor, dim: int = 0) -> Tensor:
    """log (1/K) Σ_k exp x_k along ``dim``, whose length is K, without overflow.

    >>> log_mean_exp(torch.tensor([1000.0, 1000.0]))
    tensor(1000.)
    """
    return torch.logsumexp(x, dim) - math.log(x.shape[dim])


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances ‖x_i − y_j‖² of all pairs: [N, D] and [M, D] to [N, M].

    The square is expanded into ‖x_i‖² + ‖y_j‖² − 2 x_i·y_j, which needs no tensor [N, M, D].
    """
    return (x.square().sum(1, keepdim=True) + y.square().sum(1) - 2 * x @ y.T).clamp(min=0)


def imq_kernel(x: Tensor, y: Tensor, scales: Sequence[float] = IMQ_SCALES) -> Tensor:
    """Inverse multiquadratic kernel Σ_s C_s / (C_s + ‖x − y‖²) of all pairs, with widths C_s = 2 D s.

    The widths suit a prior N(0, I) in D dimensions: 2 D is the mean squared distance between two draws from it
    (arXiv 1711.01558, section 4).

    Args:
        x, y: [N, D] and [M, D]; the result is [N, M].
        scales: the factors s; the kernels of all scales are summed.
    """
    squared = squared_distances(x, y)
    kernel = torch.zeros_like(squared)
    for scale in scales:
        width = 2 * x.shape[1] * scale
        kernel = kernel + width / (squared + width)
    return kernel


def rbf_kernel(x: Tensor, y: Tensor, scales: Sequence[float] = IMQ_SCALES) -> Tensor:
    """Gaussian kernel Σ_s exp(−‖x − y‖² / C_s) of all pairs, with the same widths C_s = 2 D s as :func:`imq_kernel`.

    This is the kernel of arXiv 1706.02262. Its authors' code has a single width, C = D², which is s = D/2 here.

    Args:
        x, y: [N, D] and [M, D]; the result is [N, M].
        scales: the factors s; the kernels of all scales are summed.
    """
    squared = squared_distances(x, y)
    kernel = torch.zeros_like(squared)
    for scale in scales:
        kernel = kernel + torch.exp(-squared / (2 * x.shape[1] * scale))
    return kernel


Kernel = Callable[[Tensor, Tensor, Sequence[float]], Tensor]


def mmd(x: Tensor, y: Tensor, scales: Sequence[float] = IMQ_SCALES, kernel: Kernel = imq_kernel) -> Tensor:
    """Unbiased estimate of the squared maximum mean discrepancy MMD²(P, Q) from draws of both distributions: [].

    MMD² = E k(x, x') + E k(y, y') − 2 E k(x, y). The first two means are over pairs of different draws (the
    U-statistic), so that the estimate is unbiased and may be below 0 (Gretton et al. 2012; arXiv 1711.01558,
    algorithm 2).

    Args:
        x: draws [N, D] from P, with N ≥ 2.
        y: draws [M, D] from Q, with M ≥ 2.
        scales: passed to the kernel.
        kernel: k, e.g. :func:`imq_kernel` or :func:`rbf_kernel`.
    """

    def within(a: Tensor) -> Tensor:
        pairs = kernel(a, a, scales)
        return (pairs.sum() - pairs.diagonal().sum()) / (len(a) * (len(a) - 1))

    return within(x) + within(y) - 2 * kernel(x, y, scales).mean()
