"""The steps that quantizers with a codebook share: the nearest vector, the straight-through gradient, the losses."""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

NumberOfCodes = Annotated[int, Ge(2)]  # one code would tell nothing about an example


def rows_of(h: Tensor) -> Tensor:
    """The vectors of all positions: [N, D, ...] to [M, D], in float32 also in mixed precision."""
    return h.movedim(1, -1).reshape(-1, h.shape[1]).float()


def nearest(rows: Tensor, book: Tensor) -> Tensor:
    """argmin_k ‖h − e_k‖² of each row: vectors [M, D] and code vectors [K, D] to long [M]."""
    squared = book.square().sum(1) - 2 * rows @ book.T  # ‖h‖² is the same for every code
    return squared.argmin(1)


def placed(rows: Tensor, like: Tensor) -> Tensor:
    """Vectors or codes of all positions, [M, D] or [M], in the places of ``like`` [N, D, ...]."""
    places = (like.shape[0], *like.shape[2:])
    return rows.reshape(places) if rows.ndim == 1 else rows.reshape(*places, rows.shape[1]).movedim(-1, 1)


def straight_through(h: Tensor, found: Tensor) -> Tensor:
    """The value of ``found`` with the gradient of ``h``."""
    return h + (found - h).detach()


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """‖a − b‖² per example, summed over positions and dimensions: [N, D, ...] to [N]."""
    return (a - b).square().flatten(1).sum(1)


def initial_book(codes: int, dims: int) -> Tensor:
    """Code vectors [K, D] drawn from U(−1/K, 1/K), as in the VQ-VAE's code (github.com/google-deepmind/sonnet)."""
    return torch.empty(codes, dims).uniform_(-1 / codes, 1 / codes)


def embedded(codes: Tensor, book: Tensor) -> Tensor:
    """The vectors of codes: long [N, ...] to [N, D, ...]."""
    return book[codes].movedim(-1, 1)
