"""Labels or attributes y for generated samples: drawn from the training set, or given by the user.

With y drawn from the training set, the samples follow p(x) = Σ_y p(y) p(x|y), so that scores of images can compare them
with real images.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vae_lab.errors import UserError, did_you_mean
from vae_lab.examples import Examples
from vae_lab.scores import Conditions
from vae_lab.types import Noise

Word = int | float | str  # one value of y as the user types it


def unconditional(start: int, n: int, noise: Noise) -> None:
    """Return None: a model that is not conditional takes no y."""


def as_in_training(images: Examples) -> Conditions:
    """Return conditions that draw the y of training examples with replacement.

    Labels keep their frequencies, and the attributes of an example stay together.
    """
    y = images.y
    assert y is not None

    def draw(start: int, n: int, noise: Noise) -> Tensor:
        return y[(noise.uniform(n).cpu().double() * len(y)).long().to(y.device)]

    return draw


def in_turn(y: Tensor) -> Conditions:
    """Return conditions that repeat the rows of y in their order."""
    return lambda start, n, noise: y[torch.arange(start, start + n, device=y.device) % len(y)]


def typed_y(typed: Word | Sequence[Word], classes: Sequence[str], attributes: Sequence[str]) -> Tensor:
    """Convert the user's y to a tensor: labels by name or number to long [labels], attributes to float [1, A].

    Raises:
        UserError: a label does not exist, or the values are not one number for each attribute.
    """
    words = [typed] if isinstance(typed, int | float | str) else list(typed)
    if not attributes:
        return torch.tensor([_label(word, classes) for word in words])
    if len(words) != len(attributes) or any(isinstance(word, str) for word in words):
        raise UserError(
            f"y={y_text(typed)}: this model takes {len(attributes)} numbers; type "
            f"y=[{','.join('0.5' for _ in attributes)}] for {', '.join(attributes)}"
        )
    return torch.tensor([[float(word) for word in words]])


def y_text(typed: Word | Sequence[Word]) -> str:
    """Return y as the user typed it, for messages and file names."""
    return f"{typed}" if isinstance(typed, int | float | str) else f"[{','.join(map(str, typed))}]"


def _label(word: Word, classes: Sequence[str]) -> int:
    """The index of a class, given by its name or, if no class has this name, by its number."""
    if str(word) in classes:
        return classes.index(str(word))
    if isinstance(word, int) and 0 <= word < len(classes):
        return word
    shown = [*classes] if len(classes) <= 12 else [*classes[:11], "…"]
    raise UserError(
        f"y={word}: no such label{did_you_mean(str(word), classes)}; type one of {', '.join(shown)} "
        f"or a number from 0 to {len(classes) - 1}"
    )
