"""Sums over the processes of a run (``accelerator=ddp``), so that the codebooks of all processes stay the same.

Gradients are averaged over processes, and a codebook that is no parameter has none: without these sums every process
would decode other vectors for the same codes. In a run of one process, everything is returned as it is.
"""

import torch
from torch import Tensor, distributed


def several() -> bool:
    """Whether this process is one of several."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def summed(x: Tensor) -> Tensor:
    """The sum of a tensor over all processes."""
    if not several():
        return x
    total = x.clone()
    distributed.all_reduce(total)
    return total


def counted(number: int, device: torch.device) -> int:
    """The sum of a number over all processes."""
    return int(summed(torch.tensor(number, device=device))) if several() else number


def of_the_first(x: Tensor) -> Tensor:
    """The tensor of the first process, in all of them."""
    if not several():
        return x
    same = x.clone()
    distributed.broadcast(same, 0)
    return same
