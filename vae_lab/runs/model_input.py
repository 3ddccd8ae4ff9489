"""Examples, labels and attributes that the user gives, as a model receives them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vae_lab.errors import UserError, counted
from vae_lab.evaluation.conditions import Word, typed_y
from vae_lab.examples import Values
from vae_lab.types import Model

_ROUNDING = 1e-3  # how far resized images may be outside [0, 1]
Given = Word | Sequence[Word] | Tensor  # labels or attributes, as the user types them or as a batch holds them


def examples_for(model: Model, values: Values, x: Tensor) -> Tensor:
    """Return examples [N, *x_shape] without gradients.

    Args:
        model: receives them.
        values: the meaning of their numbers.
        x: what the user gives.

    Raises:
        UserError: they have another shape or type, or images have values outside [0, 1].
    """
    x, shape = torch.as_tensor(x).detach(), tuple(model.x_shape)
    if tuple(x.shape[1:]) != shape:
        raise UserError(
            f"x of shape {list(x.shape)}; {values.many} [N, {', '.join(map(str, shape))}] are needed; "
            f"x[None] makes one of a single {values.one}"
        )
    if values.kind == "tokens":
        return x.long()
    if not x.is_floating_point():
        raise UserError(f"x holds {x.dtype} values, and the model receives floats in [0, 1]; type x.float() / 255")
    low, high = (float(x.min()), float(x.max())) if x.numel() else (0.0, 1.0)
    if values.kind == "images" and not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # NaN is neither
        found = "NaN or infinite" if not x.isfinite().all() else f"from {low:.3g} to {high:.3g}"
        raise UserError(
            f"x holds values that are {found}, and the model receives floats in [0, 1]; scale or repair them"
        )
    return x.float()


def y_for(classes: Sequence[str], attributes: Sequence[str], y: Given | None, n: int) -> Tensor:
    """Return the labels [n] or the attributes [n, A] of n examples of a conditional run.

    Args:
        classes, attributes: the names of the run's labels or attributes.
        y: what the user gives: one for all examples, or one for each.
        n: the number of examples.

    Raises:
        UserError: y is missing, has no meaning, or is of another number of examples.
    """
    if y is None:
        example = f"[{','.join('0.5' for _ in attributes)}]" if attributes else classes[0]
        raise UserError(f"this run is conditional; type y={example}, the {'attributes' if attributes else 'label'}")
    rows = y.cpu() if isinstance(y, Tensor) else typed_y(y, classes, attributes)
    if len(rows) == 1:
        rows = rows.expand(n, *rows.shape[1:])
    if len(rows) != n:
        raise UserError(f"y has {counted(len(rows), 'entry', 'entries')} for {n} images; type one, or one for each")
    return rows
