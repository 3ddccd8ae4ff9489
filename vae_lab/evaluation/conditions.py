"""The y of samples, which no image brings: labels or attributes drawn as in training, or those that are asked for.

Drawn as in training, samples are of p(x) = Σ_y p(y) p(x|y), which scores of images hold against real ones.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vae_lab.errors import UserError, did_you_mean
from vae_lab.examples import Examples
from vae_lab.scores import Conditions
from vae_lab.types import Noise

Word = int | float | str


def unconditional(start: int, n: int, noise: Noise) -> None:
    """A model that is not conditional takes no y; nothing is drawn."""


def as_in_training(images: Examples) -> Conditions:
    """The y of n of the training images, drawn with replacement: every label as often as there, attributes together."""
    known = images.y
    assert known is not None

    def draw(start: int, n: int, noise: Noise) -> Tensor:
        return known[(noise.uniform(n).cpu().double() * len(known)).long().to(known.device)]

    return draw


def in_turn(y: Tensor) -> Conditions:
    """The rows of y one after the other, and again from the first."""
    return lambda start, n, noise: y[torch.arange(start, start + n, device=y.device) % len(y)]


def typed_y(typed: Word | Sequence[Word], classes: Sequence[str], attributes: Sequence[str]) -> Tensor:
    """What a person typed: labels by name or number to long [labels], the values of all attributes to float [1, A].

    Raises:
        UserError: no such label, or not as many numbers as there are attributes.
    """
    words = [typed] if isinstance(typed, int | float | str) else list(typed)
    if not attributes:
        return torch.tensor([_label(word, classes) for word in words])
    if len(words) != len(attributes) or any(isinstance(word, str) for word in words):
        raise UserError(
            f"y={told_y(typed)}: this model takes {len(attributes)} numbers, "
            f"y=[{','.join('0.5' for _ in attributes)}] for {', '.join(attributes)}"
        )
    return torch.tensor([[float(word) for word in words]])


def told_y(typed: Word | Sequence[Word]) -> str:
    """As it was typed."""
    return f"{typed}" if isinstance(typed, int | float | str) else f"[{','.join(map(str, typed))}]"


def _label(word: Word, classes: Sequence[str]) -> int:
    """A class's name comes first, its number where no class is called so."""
    if str(word) in classes:
        return classes.index(str(word))
    if isinstance(word, int) and 0 <= word < len(classes):
        return word
    shown = [*classes] if len(classes) <= 12 else [*classes[:11], "…"]
    raise UserError(
        f"y={word}: no such label{did_you_mean(str(word), classes)}; type one of {', '.join(shown)} "
        f"or a number from 0 to {len(classes) - 1}"
    )
