"""Checks the labels or attributes that a source read: one error at loading instead of a crash in the first batch."""

import torch

from vae_lab.errors import UserError
from vae_lab.examples import Examples


def refuse_wrong_targets(name: str, split: str, examples: Examples) -> None:
    """Check that each example has a label that is a class, or one finite number for each attribute.

    Args:
        name: the dataset's name, for messages.
        split: 'training' or 'test', for messages.
        examples: the examples as the source returned them.

    Raises:
        UserError: labels or attributes are too few, too many, out of range or not finite.
    """
    targets, count = examples.targets, len(examples.stored)
    if targets is None:
        return
    what = "attributes" if examples.attributes else "labels"
    start = f"dataset={name}: the {what} of the {split} {examples.values.many}"
    shape = (count, len(examples.attributes)) if examples.attributes else (count,)
    if tuple(targets.shape) != shape:
        found = " × ".join(map(str, targets.shape))
        raise UserError(f"{start} are {found} numbers, and {' × '.join(map(str, shape))} are needed; repair the file")
    if examples.attributes:
        bad = (~targets.isfinite()).any(1).nonzero().flatten()
        if len(bad):
            raise UserError(f"{start} hold a number that is not finite, at position {int(bad[0])}; repair the file")
        return
    bad = ((targets < 0) | (targets >= len(examples.classes))).nonzero().flatten()
    if targets.dtype != torch.long or len(bad):
        told = f"hold {int(targets[bad[0]])} at position {int(bad[0])}" if len(bad) else f"are {targets.dtype}"
        raise UserError(
            f"{start} {told}, and integers from 0 to {len(examples.classes) - 1} are needed, one for each of "
            f"{len(examples.classes)} classes; repair the file of labels"
        )
