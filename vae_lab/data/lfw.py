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
_ARCHIVES = {"funneled": "lfw-funneled.tgz", "deepfunneled": "lfw-deepfunneled.tgz", "original": "lfw.tgz"}


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
        published = _published(_ARCHIVES[self.alignment])
        first = published.file(root, ["peopleDevTrain.txt", "peopleDevTrain.csv"])
        here, name = replace(published, folders=("",)), _FOLDERS[self.alignment]
        lists = [first, here.file(first.parent, ["peopleDevTest.txt", "peopleDevTest.csv"])]
        people = [_listed(file) for file in lists]
        both = next((person for person in people[0] if person in people[1]), None)
        if both is not None:
            told = " and ".join(shown(file) for file in lists)
            raise UserError(f"dataset=lfw: {both!r} is in {told}, which have no person in common; download them again")
        folder = here.folder(first.parent, [f"{name}/{name}", name])  # Kaggle packs it twice
        train, test = ([folder / file for file in _photographs(of_one)] for of_one in people)
        about = {"alignment": self.alignment, **self.decoding.about}
        examples = Examples(self.decoding.read([*train, *test]), None, preparation=about)
        parts = torch.arange(len(examples)).split([len(train), len(test)])
        return examples.part(parts[0]), examples.part(parts[1])


def _published(archive: str) -> ByHand:
    return ByHand(
        "dataset=lfw",
        ("lfw-py", "lfw-dataset", "lfw_home", ""),
        f"{archive} (to be unpacked), peopleDevTrain.txt and peopleDevTest.txt",
        "the page “Labeled Faces in the Wild” of the University of Massachusetts",
        "dataset=image_folder dataset.source.path=<folder> for photographs without the lists",
        archives=(archive,),
    )


def _photographs(people: dict[str, int]) -> list[str]:
    """Return the files of people, ``Ann_Lee/Ann_Lee_0001.jpg``."""
    return [f"{person}/{person}_{k:04d}.jpg" for person, count in people.items() for k in range(1, count + 1)]


def _listed(file: Path) -> dict[str, int]:
    """Return the number of photographs of each person of a list.

    Raises:
        UserError: the list is no text, a line is no name and number, a person is there twice, or the list has not as
            many people as its first line says.
    """
    separator = "," if file.suffix == ".csv" else None
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as why:
        raise UserError(f"dataset=lfw: {shown(file)} is no text in UTF-8; download it again") from why
    first, *lines = [line.split(separator) for line in text.splitlines()] or [[]]
    counts: dict[str, int] = {}
    for number, words in enumerate(lines, 2):
        if not words:
            continue
        if len(words) != 2 or not words[1].strip().isdecimal():
            raise UserError(
                f"dataset=lfw: {shown(file)}, line {number}: a name and a number are needed; download it again"
            )
        if words[0] in counts:
            raise UserError(
                f"dataset=lfw: {shown(file)}, line {number}: {words[0]!r} is there twice; download it again"
            )
        counts[words[0]] = int(words[1])
    people = sum(map(bool, lines))
    if not sum(counts.values()) or (separator is None and first != [str(people)]):
        raise UserError(
            f"dataset=lfw: {shown(file)} has {people:,} people, and its first line says {' '.join(first)[:40]!r}; "
            "download it again"
        )
    return counts
