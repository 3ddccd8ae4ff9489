"""Test examples that are held out by a fixed shuffle, where a source gives none."""

import torch
from torch import Tensor

from vae_lab.errors import UserError, counted


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


def held_out(total: int, share: float, option: str, at_the_end: bool = False) -> tuple[Tensor, Tensor]:
    """Return the positions of the training examples, ascending, and of the test examples; long [n] each.

    Args:
        total: number of examples.
        share: fraction of them that is held out for testing; at least one is.
        option: the option that gave the share, for the message.
        at_the_end: whether the last ones are held out, and not those that a fixed shuffle chooses.

    Raises:
        UserError: none is left for training.
    """
    cut = max(1, round(share * total))
    if cut >= total:
        instead = "type 0.1" if total > 2 else "at least 3 are needed, for training, validation and testing"
        raise UserError(f"{option}={share} leaves none of {counted(total, 'example')} for training; {instead}")
    if at_the_end:
        return torch.arange(total - cut), torch.arange(total - cut, total)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0))
    return order[cut:].sort().values, order[:cut]
