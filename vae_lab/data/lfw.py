"""Labeled Faces in the Wild (Huang et al. 2007): 13,233 photographs of 5,749 people, 250×250, RGB.

The photographs lie in one folder per person, ``lfw-py/lfw_funneled/<Name>/<Name>_0001.jpg``, beside the two lists of
the published split: ``peopleDevTrain.txt`` and ``peopleDevTest.txt``. A list begins with the number of people; each
further line has a name and the number of this person's photographs. Tables with a header (``.csv``) are read, too.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt

from vae_lab.data.by_hand import ByHand
from vae_lab.data.image_files import shown
from vae_lab.data.listed_images import Decoding
from vae_lab.errors import UserError
from vae_lab.examples import Examples

_FOLDERS = {"funneled": "lfw_funneled", "deepfunneled": "lfw-deepfunneled", "original": "lfw"}
_LFW = ByHand(
    "dataset=lfw",
    ("lfw-py", "lfw-dataset", "lfw_home", ""),
    "lfw-funneled.tgz (to be unpacked), peopleDevTrain.txt and peopleDevTest.txt",
    "the page “Labeled Faces in the Wild” of the University of Massachusetts",
    "dataset=image_folder dataset.source.path=<folder> for photographs without the lists",
)


class LFW:
    """The published development split (view 1): 9,525 training and 3,708 test images, without labels.

    Nobody is in both parts, so that names are no labels here.

    Args:
        alignment: 'funneled', 'deepfunneled' or 'original'.
        height, width: size in pixels.
        crop: side of the square in the centre that is scaled to this size, in pixels; None: the whole image. It stands
            in every protocol.
        memory_gb: images that take more than this many GiB are decoded into a file in the cache, which later runs use.
    """

    def __init__(
        self,
        alignment: Literal["funneled", "deepfunneled", "original"] = "funneled",
        height: PositiveInt = 64,
        width: PositiveInt = 64,
        crop: PositiveInt | None = None,
        memory_gb: PositiveFloat = 1.0,
    ) -> None:
        self.alignment = alignment
        self.decoding = Decoding(3, height, width, crop, memory_gb=memory_gb)

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples, which share their memory.

        Raises:
            UserError: files are missing or damaged. They are no longer offered for download by a program.
        """
        first = _LFW.found(root, ["peopleDevTrain.txt", "peopleDevTrain.csv"])
        here, name = replace(_LFW, folders=("",)), _FOLDERS[self.alignment]
        lists = [first, here.found(first.parent, ["peopleDevTest.txt", "peopleDevTest.csv"])]
        folder = here.found(first.parent, [f"{name}/{name}", name], name)  # Kaggle packs it twice
        train, test = ([folder / file for file in _listed(file)] for file in lists)
        about = {"alignment": self.alignment, **self.decoding.about}
        both = Examples(self.decoding.read([*train, *test]), None, preparation=about)
        parts = torch.arange(len(both)).split([len(train), len(test)])
        return both.part(parts[0]), both.part(parts[1])


def _listed(file: Path) -> list[str]:
    """Return the images of a list of people, ``Ann_Lee/Ann_Lee_0001.jpg``.

    Raises:
        UserError: a line is no name and number, or the list has not as many people as its first line says.
    """
    separator = "," if file.suffix == ".csv" else None
    first, *lines = [line.split(separator) for line in file.read_text(encoding="utf-8-sig").splitlines()] or [[]]
    images = []
    for number, words in enumerate(lines, 2):
        if not words:
            continue
        if len(words) != 2 or not words[1].strip().isdecimal():
            raise UserError(
                f"dataset=lfw: {shown(file)}, line {number}: a name and a number are needed; download it again"
            )
        images += [f"{words[0]}/{words[0]}_{k:04d}.jpg" for k in range(1, int(words[1]) + 1)]
    people = sum(map(bool, lines))
    if not images or (separator is None and first != [str(people)]):
        raise UserError(
            f"dataset=lfw: {shown(file)} has {people:,} people, and its first line says {' '.join(first)[:40]!r}; "
            "download it again"
        )
    return images
