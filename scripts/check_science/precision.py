"""Double precision for everything that is computed, so that rounding does not hide a difference."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def double_precision() -> Iterator[None]:
    """Make float64 the default, and let ``Tensor.float()`` return float64.

    The package calls ``Tensor.float()`` where it leaves mixed precision. Here that would round to single precision.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        del torch.Tensor.float  # type: ignore[misc]
        torch.set_default_dtype(before)
