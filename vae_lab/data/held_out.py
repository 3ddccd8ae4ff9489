"""Test examples that are held out by a fixed shuffle, where a source gives none."""

import torch
from torch import Tensor

from vae_lab.errors import UserError


def refuse_share(option: str, share: float) -> None:
    """Refuse a share that leaves no training or no test examples.

    Args:
        option: the option that gave it, for the message.
        share: the fraction of the examples that is held out.

    Raises:
        UserError: the share does not lie between 0 and 1.
    """
    if not 0 < share < 1:
        raise UserError(f"{option}={share} must lie between 0 and 1; type 0.1")


def held_out(total: int, share: float) -> tuple[Tensor, Tensor]:
    """Return the positions of the training examples, ascending, and of the test examples, shuffled; long [n] each.

    Args:
        total: number of examples.
        share: fraction of them that is held out for testing; at least one is.
    """
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0))
    cut = max(1, round(share * total))
    return order[cut:].sort().values, order[:cut]
