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
    return _in_derivative() if torch.compiler.is_compiling() else torch._C._functorch.is_gradtrackingtensor(x)


@torch.compiler.assume_constant_result  # evaluated while torch.compile traces; it cannot trace torch's own predicate
def _in_derivative() -> bool:
    level = torch._C._functorch.maybe_current_level()
    if level is None:
        return False
    kind = torch._C._functorch.peek_interpreter_stack().key()
    return kind in (torch._C._functorch.TransformType.Grad, torch._C._functorch.TransformType.Jvp)
