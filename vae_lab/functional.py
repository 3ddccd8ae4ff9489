"""The formulas that everything else uses, each written once. Pure functions, all in nats."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)
IMQ_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the kernels that the WAE's authors add up


def kl_normal(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL[N(μ, σ²) ‖ N(0, 1)] = ½ (μ² + σ² − 1 − log σ²), elementwise (arXiv 1312.6114, appendix B)."""
    return 0.5 * (mu.square() + torch.expm1(log_var) - log_var)  # exact also where σ² is nearly 1


def log_normal(z: Tensor, mu: Tensor | float = 0.0, log_var: Tensor | float = 0.0) -> Tensor:
    """log N(z; μ, σ²), elementwise."""
    log_var = torch.as_tensor(log_var, dtype=z.dtype, device=z.device)
    return -0.5 * (LOG_2PI + log_var + (z - mu).square() * torch.exp(-log_var))


def log_normal_pairs(mu: Tensor, log_var: Tensor) -> Callable[[Tensor], Tensor]:
    """Σ_d log N(z_d; μ_md, σ_md²) under M Gaussians [M, D] at once: gives the function z [..., D] -> [..., M] nats.

    The square is multiplied out, so that all pairs are two matrix products. Large terms cancel then: it is done in
    float64, but for Apple's GPU, which has none.
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
    """z = μ + σ ε (arXiv 1312.6114, section 2.4)."""
    return torch.addcmul(mu, torch.exp(0.5 * log_var), eps)


def noised(x: Tensor, sigma: float, eps: Tensor) -> Tensor:
    """x + σ ε, clamped to the range [0, 1] of images."""
    return (x + sigma * eps).clamp(0, 1)


def log_mean_exp(x: Tensor, dim: int = 0) -> Tensor:
    """log (1/K) Σ_k exp x_k along ``dim`` of length K, without overflow."""
    return torch.logsumexp(x, dim) - math.log(x.shape[dim])


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """‖x_i − y_j‖², multiplied out: [N, D] and [M, D] to [N, M]."""
    return (x.square().sum(1, keepdim=True) + y.square().sum(1) - 2 * x @ y.T).clamp(min=0)


def imq_kernel(x: Tensor, y: Tensor, scales: Sequence[float] = IMQ_SCALES) -> Tensor:
    """Σ_s C_s / (C_s + ‖x − y‖²) with C_s = 2 D s: the inverse multiquadratics for a prior N(0, I) in D dimensions.

    Args:
        x, y: [N, D] and [M, D]; the result is [N, M].
        scales: s; 2 D is the mean squared distance of two prior draws (arXiv 1711.01558, section 4).
    """
    squared = squared_distances(x, y)
    kernel = torch.zeros_like(squared)
    for scale in scales:
        width = 2 * x.shape[1] * scale
        kernel = kernel + width / (squared + width)
    return kernel


def rbf_kernel(x: Tensor, y: Tensor, scales: Sequence[float] = IMQ_SCALES) -> Tensor:
    """Σ_s exp(−‖x − y‖² / C_s) with the same widths C_s = 2 D s: [N, D] and [M, D] to [N, M].

    The Gaussian kernel of arXiv 1706.02262; its authors' code has the one width C = D², which is s = D/2.
    """
    squared = squared_distances(x, y)
    kernel = torch.zeros_like(squared)
    for scale in scales:
        kernel = kernel + torch.exp(-squared / (2 * x.shape[1] * scale))
    return kernel


Kernel = Callable[[Tensor, Tensor, Sequence[float]], Tensor]


def mmd(x: Tensor, y: Tensor, scales: Sequence[float] = IMQ_SCALES, kernel: Kernel = imq_kernel) -> Tensor:
    """MMD²(P, Q) from draws x [N, D] of P and y [M, D] of Q: [], the unbiased U-statistic (so it may fall below 0).

    E k(x, x') + E k(y, y') − 2 E k(x, y) over pairs of different draws (Gretton et al. 2012; arXiv 1711.01558,
    algorithm 2). N and M are 2 at least.
    """

    def within(a: Tensor) -> Tensor:
        pairs = kernel(a, a, scales)
        return (pairs.sum() - pairs.diagonal().sum()) / (len(a) * (len(a) - 1))

    return within(x) + within(y) - 2 * kernel(x, y, scales).mean()
