"""Batch normalisation whose running statistics are assigned anew, as all state here is."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.nets.functorch import is_differentiated


class BatchNorm(nn.Module):
    """γ (x − mean)/√(var + ε) + β per feature (arXiv 1502.03167); as ``nn.BatchNorm1d`` and ``2d``, but for its state.

    In training, mean and variance are those of the batch, so the images of a batch know of each other; for val, test
    and samples they are running means, kept in the checkpoint. Those are new tensors at each step, never changed in
    place. A batch that gives one value per feature is scored with the running means, since it has no variance. Several
    processes (``accelerator=ddp``) keep their own, of their own images; the first one's are saved.

    Args:
        features: channels of an image, or numbers of a vector.
        rate: weight of the newest batch in the running means.
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
        """[N, F] or [N, F, H, W] to the same."""
        if not self.training or x[:, 0].numel() == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        if not is_differentiated(x):  # a derivative within the loss would leave its own behind
            self._keep(x.detach().float())
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)

    def _keep(self, x: Tensor) -> None:
        variance, mean = torch.var_mean(x, dim=[0, *range(2, x.dim())])
        self.running_mean = torch.lerp(self.running_mean, mean, self.rate)
        self.running_var = torch.lerp(self.running_var, variance, self.rate)
