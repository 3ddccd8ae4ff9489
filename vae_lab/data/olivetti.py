"""Olivetti faces (AT&T Laboratories Cambridge): ten photographs of each of 40 people, 64×64, grey."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from vae_lab.data.by_hand import ByHand
from vae_lab.data.published_array import PublishedArray
from vae_lab.errors import UserError
from vae_lab.examples import Examples

_PER_PERSON = 10
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
            UserError: the file is missing or damaged, or has not one person for each photograph.
        """
        images, arrays, start = _OLIVETTI.read(root)
        person = torch.arange(len(images)) // _PER_PERSON
        if "person" in arrays:
            person = torch.from_numpy(arrays["person"].load().astype("int64")).flatten()  # type: ignore[union-attr]
        if len(person) != len(images):
            raise UserError(f"{start} has {len(images)} images and {len(person)} numbers of people; repair it")
        names, label = person.unique(return_inverse=True)
        if self.split == "people":
            examples, first = Examples(images, None), len(names) - max(1, len(names) // 5)
            return examples.part((label < first).nonzero().flatten()), examples.part(
                (label >= first).nonzero().flatten()
            )
        examples = Examples(images, label, tuple(f"person {int(name) + 1}" for name in names))
        test = _two_of_each(label)
        return examples.part((~test).nonzero().flatten()), examples.part(test.nonzero().flatten())


def _two_of_each(label: Tensor) -> Tensor:
    """Return which photographs are held out, bool [N]: two of each person, by a fixed shuffle."""
    draws, held = torch.Generator().manual_seed(0), torch.zeros(len(label), dtype=torch.bool)
    for one in label.unique():
        members = (label == one).nonzero().flatten()
        held[members[torch.randperm(len(members), generator=draws)[:2]]] = True
    return held
