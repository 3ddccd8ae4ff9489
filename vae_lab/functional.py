"""The formulas that everything else uses, each written once. Pure functions, all in nats."""

import math

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def kl_normal(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL[N(μ, σ²) ‖ N(0, 1)] = ½ (μ² + σ² − 1 − log σ²), elementwise (arXiv 1312.6114, appendix B)."""
    return 0.5 * (mu.square() + log_var.exp() - 1 - log_var)


def log_normal(z: Tensor, mu: Tensor | float = 0.0, log_var: Tensor | float = 0.0) -> Tensor:
    """log N(z; μ, σ²), elementwise."""
    log_var = torch.as_tensor(log_var, dtype=z.dtype, device=z.device)
    return -0.5 * (LOG_2PI + log_var + (z - mu).square() * torch.exp(-log_var))


def reparameterize(mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
    """z = μ + σ ε (arXiv 1312.6114, section 2.4)."""
    return mu + torch.exp(0.5 * log_var) * eps


def log_mean_exp(x: Tensor, dim: int = 0) -> Tensor:
    """log (1/K) Σ_k exp x_k along ``dim`` of length K, without overflow."""
    return torch.logsumexp(x, dim) - math.log(x.shape[dim])
