"""Training on some classes only, so that the others are anomalies: the one-class protocol of anomaly detection."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vae_lab.errors import UserError, did_you_mean
from vae_lab.examples import Examples


def kept_classes(keep: int | str | Sequence[int | str], examples: Examples, dataset: str) -> tuple[int, ...]:
    """Return the numbers of the classes that ``dataset.keep`` names, ascending.

    Args:
        keep: the name of a class, or its number where no class has such a name; or several.
        examples: the training examples.
        dataset: the dataset's name, for messages.

    Raises:
        UserError: the examples have no labels, there is no such class, no example has one of them, or no class is left
            out.
    """
    keep = [keep] if isinstance(keep, int | str) else keep
    typed, classes = f"dataset.keep=[{','.join(map(str, keep))}]", examples.classes
    if examples.labels is None or not classes:
        raise UserError(f"{typed}: {dataset} has no class labels; leave dataset.keep out")
    kept = tuple(sorted({_number(word, classes, typed) for word in keep}))
    if not kept or len(kept) == len(classes):
        many = "no class" if not kept else "every class"
        raise UserError(f"{typed} keeps {many}; name some of {_shown(classes)}, or leave dataset.keep out")
    if not belongs(examples.labels, kept).any():
        raise UserError(f"{typed}: {dataset} has no training examples of these classes; name others")
    return kept


def belongs(labels: Tensor, kept: Sequence[int]) -> Tensor:
    """Return whether each label [N] is one of the kept classes: bool [N]."""
    return torch.isin(labels, torch.tensor(kept, device=labels.device))


def told(kept: Sequence[int], classes: Sequence[str], left: int) -> str:
    """Return a sentence that says what a model is trained on, and that test scores are of all classes."""
    names = f"{'class' if len(kept) == 1 else 'classes'} {', '.join(classes[i] for i in kept)}"
    return (
        f"dataset.keep: all {left:,} training images are of {names}. The test set has all classes, so that its scores "
        "are of all; metrics=ood tells the kept classes from the others."
    )


def _number(word: int | str, classes: Sequence[str], typed: str) -> int:
    if str(word) in classes:
        return classes.index(str(word))
    if isinstance(word, int) and 0 <= word < len(classes):
        return word
    raise UserError(f"{typed}: no class {word}{did_you_mean(str(word), classes)}; classes: {_shown(classes)}")


def _shown(classes: Sequence[str]) -> str:
    return ", ".join([*classes] if len(classes) <= 12 else [*classes[:11], "…"])
