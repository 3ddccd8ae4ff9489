"""CelebA (Liu et al. 2015, aligned and cropped): 202,599 faces of 178×218 pixels, with 40 attributes of each.

The files may lie as the authors and torchvision have them, or as Kaggle does; smaller copies are read, too::

    celeba/list_attr_celeba.txt, celeba/list_eval_partition.txt, celeba/img_align_celeba/*.jpg
    celeba/Anno/list_attr_celeba.txt, celeba/Eval/list_eval_partition.txt, celeba/Img/img_align_celeba/*.jpg
    celeba/list_attr_celeba.csv, celeba/list_eval_partition.csv, celeba/img_align_celeba/img_align_celeba/*.jpg
"""

import os
from dataclasses import replace
from pathlib import Path

from pydantic import PositiveFloat, PositiveInt

from vae_lab.data.by_hand import ByHand
from vae_lab.data.celeba_lists import attributes, partition
from vae_lab.data.image_files import shown, suffixes
from vae_lab.data.listed_images import Decoding
from vae_lab.errors import UserError
from vae_lab.examples import Examples

_CELEBA = ByHand(
    "dataset=celeba",
    ("celeba", "CelebA", "celeba-dataset", ""),
    "img_align_celeba.zip (to be unpacked), list_attr_celeba.txt and list_eval_partition.txt",
    "the page “Large-scale CelebFaces Attributes (CelebA) Dataset” of CUHK",
    "dataset=faces, which is drawn",
    archives=("img_align_celeba",),
)
_ATTRIBUTES = ("list_attr_celeba.txt", "list_attr_celeba.csv", "Anno/list_attr_celeba.txt")
_PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv", "Eval/list_eval_partition.txt")
_IMAGES = ("img_align_celeba/img_align_celeba", "Img/img_align_celeba", "img_align_celeba")


class CelebA:
    """The published split: 162,770 training, 19,867 validation and 19,962 test images, with their attributes, 0 or 1.

    Args:
        height, width: size in pixels.
        crop: side of the square in the centre that is scaled to this size, in pixels: 148 (Larsen et al. 2016, arXiv
            1512.09300, and many after them), 140 (Tolstikhin et al. 2018, arXiv 1711.01558); None: the whole width. It
            stands in every protocol, because FIDs of different crops are not comparable.
        memory_gb: images that take more than this many GiB are decoded into a file in the cache, which later runs use.
    """

    def __init__(
        self,
        height: PositiveInt = 64,
        width: PositiveInt = 64,
        crop: PositiveInt | None = 148,
        memory_gb: PositiveFloat = 1.0,
    ) -> None:
        self.decoding = Decoding(3, height, width, crop, memory_gb=memory_gb)

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training examples, those for validation marked, and the test examples.

        Raises:
            UserError: files are missing or damaged, or do not fit together.
        """
        listed = _CELEBA.file(root, _ATTRIBUTES)
        place = listed.parent.parent if listed.parent.name == "Anno" else listed.parent
        here = replace(_CELEBA, folders=("",))
        table, parts = attributes(listed), partition(here.file(place, _PARTITION))
        names = list(table.rows)
        files, notes = _files(here, place, names)
        part = parts.of(names).flatten()
        for number, kind in ((0, "training"), (2, "test")):
            if not (part == number).any():
                raise UserError(f"dataset=celeba: {shown(parts.file)} has no {kind} images ({number})")
        examples = Examples(self.decoding.read(files), (table.of(names) > 0).float(), attributes=table.columns,
                            for_validation=part == 1, notes=notes, preparation=self.decoding.about)  # fmt: skip
        return examples.part((part < 2).nonzero().flatten()), examples.part((part == 2).nonzero().flatten())


def _files(here: ByHand, place: Path, names: list[str]) -> tuple[list[Path], tuple[str, ...]]:
    """Return the files of these images, and a sentence about other images beside them.

    Raises:
        UserError: one is missing; if this is because an archive is damaged or still packed, the message says so.
    """
    folder = here.folder(place, _IMAGES)
    present = {entry.name for entry in os.scandir(folder)}
    missing = [name for name in names if name not in present]
    if missing:
        here.refuse_faulty(place, "img_align_celeba")
        raise UserError(
            f"dataset=celeba: {shown(folder)} lacks {len(missing):,} of the {len(names):,} images of list_attr_celeba, "
            f"the first being {shown(missing[0])}; unpack img_align_celeba.zip again, or remove their lines"
        )
    others = sum(Path(name).suffix.lower() in suffixes() for name in present.difference(names))
    note = f"{others:,} image{'s' if others > 1 else ''} of {shown(folder)} left out, because no list has them."
    return [folder / name for name in names], (note,) if others else ()
