"""Olivetti faces (AT&T Laboratories Cambridge): ten photographs of each of 40 people, 64×64, grey."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vae_lab.data.array_file import NamedArray
from vae_lab.data.by_hand import ByHand
from vae_lab.data.published_array import PublishedArray
from vae_lab.errors import UserError, counted
from vae_lab.examples import Examples

_PER_PERSON = 10
_HELD_OUT = 2  # photographs of each person
_OLIVETTI = PublishedArray(
    ByHand(
        "dataset=olivetti", ("olivetti", ""), "olivettifaces.mat", "the page “Data for MATLAB hackers” of Sam Roweis"
    ),
    ("olivettifaces", "olivetti_64x64_u8", "olivetti"),
    height=64,
    width=64,
    columns="WH",
)


class Olivetti:
    """The photographs, labelled by person; from ``olivettifaces.mat``, or ``.npz`` with ``images`` and ``person``.

    Args:
        split: 'images' holds out two photographs of each person, by a fixed shuffle. 'people' holds out the last fifth
            of the people; the labels are then left out, since nobody is in both parts.
    """

    def __init__(self, split: Literal["images", "people"] = "images") -> None:
        self.split = split

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples, which share their memory.

        Raises:
            UserError: the file is missing or damaged, has not one person for each photograph, or too few of each.
        """
        images, arrays, start = _OLIVETTI.read(root)
        person = _numbers(arrays["person"], start) if "person" in arrays else torch.arange(len(images)) // _PER_PERSON
        if len(person) != len(images):
            raise UserError(f"{start} has {len(images)} images and {len(person)} numbers of people; repair it")
        names, label, photographs = person.unique(return_inverse=True, return_counts=True)
        self._refuse_too_few(photographs, start)
        if self.split == "people":
            examples, first = Examples(images, None), len(names) - max(1, len(names) // 5)
            return examples.part((label < first).nonzero().flatten()), examples.part(
                (label >= first).nonzero().flatten()
            )
        examples = Examples(images, label, tuple(f"person {int(name) + 1}" for name in names))
        test = _two_of_each(label)
        return examples.part((~test).nonzero().flatten()), examples.part(test.nonzero().flatten())

    def _refuse_too_few(self, photographs: Tensor, start: str) -> None:
        """Refuse a file of which nothing would be left for training; ``photographs`` counts those of each person."""
        if self.split == "people" and len(photographs) < 2:
            raise UserError(f"{start} has one person, and split=people needs two; type dataset.source.split=images")
        if self.split == "images" and photographs.min() <= _HELD_OUT:
            other = "; type dataset.source.split=people" if len(photographs) > 1 else ""
            raise UserError(
                f"{start} has {counted(int(photographs.min()), 'photograph')} of a person, of which split=images holds "
                f"out {_HELD_OUT}{other}"
            )


def _numbers(array: NamedArray, start: str) -> Tensor:
    """Return the number of the person on each photograph, long [N]."""
    values = np.asarray(array.load()) if array.numeric else None
    if values is None or (values != np.rint(values)).any():
        raise UserError(f"{start}: person holds {array.dtype} values, and whole numbers are needed; repair it")
    return torch.from_numpy(values.astype(np.int64)).flatten()


def _two_of_each(label: Tensor) -> Tensor:
    """Return which photographs are held out, bool [N]: two of each person, by a fixed shuffle."""
    draws, held = torch.Generator().manual_seed(0), torch.zeros(len(label), dtype=torch.bool)
    for one in label.unique():
        members = (label == one).nonzero().flatten()
        held[members[torch.randperm(len(members), generator=draws)[:_HELD_OUT]]] = True
    return held
