"""Tests of whether a tensor is inside a transform of ``torch.func``, for which torch has no public functions.

The private functions of torch that answer this are called in this module only.
"""

import torch
from torch import Tensor


def is_stacked(x: Tensor) -> bool:
    """Whether ``torch.vmap`` maps over x, whose memory then has an additional axis that x does not show."""
    return torch._C._functorch.is_batchedtensor(x)


def is_differentiated(x: Tensor) -> bool:
    """Whether a derivative within the loss, such as ``torch.func.jvp``, is computed through x."""
    return torch._C._functorch.is_gradtrackingtensor(x)
