"""Batch normalisation whose running statistics are replaced at each step instead of changed in place."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.nets.functorch import is_differentiated


class BatchNorm(nn.Module):
    """Batch normalisation, γ (x − mean)/√(var + ε) + β per feature (arXiv 1502.03167).

    It differs from ``nn.BatchNorm1d`` and ``nn.BatchNorm2d`` only in its state. In training, mean and variance are
    those of the batch, so the output for an example depends on the other examples of its batch. In validation, testing
    and sampling they are running means, which are saved in the checkpoint. Each training step replaces these by new
    tensors and changes nothing in place. A batch with one value per feature has no variance and is normalised by the
    running means. With several processes (``accelerator=ddp``) each process has the running means of its own examples;
    those of the first process are saved.

    Args:
        features: number of channels of an image, or of components of a vector.
        rate: weight of the latest batch in the running means.
        eps: ε.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, rate: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.rate, self.eps = rate, eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [N, F] or [N, F, H, W]."""
        if not self.training or x[:, 0].numel() == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        # Tensors inside a derivative within the loss belong to that derivative and must not become the state.
        if not is_differentiated(x):
            self._keep(x.detach().float())
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)

    def _keep(self, x: Tensor) -> None:
        variance, mean = torch.var_mean(x, dim=[0, *range(2, x.dim())])
        self.running_mean = torch.lerp(self.running_mean, mean, self.rate)
        self.running_var = torch.lerp(self.running_var, variance, self.rate)
