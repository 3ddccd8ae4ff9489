"""Two questions about a tensor inside torch.func, for which torch has private functions alone.

Both hold for torch 2.11 to 2.15; a test fails where a version renames them.
"""

import torch
from torch import Tensor


def is_stacked(x: Tensor) -> bool:
    """Whether x is seen by ``torch.vmap``: its memory is then that of all jobs, with an axis that it does not show."""
    return torch._C._functorch.is_batchedtensor(x)


def is_differentiated(x: Tensor) -> bool:
    """Whether x is seen by a derivative within the loss, such as ``torch.func.jvp``."""
    return torch._C._functorch.is_gradtrackingtensor(x)
