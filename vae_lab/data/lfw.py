"""Labeled Faces in the Wild (Huang et al. 2007): 13,233 photographs of 5,749 people, 250×250, RGB."""

from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from vae_lab.data.listed_images import Decoding
from vae_lab.data.torchvision_reading import read_or_download
from vae_lab.examples import Examples

_INSTEAD = "dataset=image_folder dataset.source.path=<folder> for any folder of face images"


class LFW:
    """The published development split (view 1): 9,525 training and 3,708 test images, without labels.

    Nobody is in both parts, so that names are no labels here.

    Args:
        alignment: 'funneled', 'deepfunneled' or 'original'.
        height, width: size in pixels.
        crop: side of the square in the centre that is scaled to this size, in pixels; None: the whole image.
    """

    def __init__(
        self,
        alignment: Literal["funneled", "deepfunneled", "original"] = "funneled",
        height: PositiveInt = 64,
        width: PositiveInt = 64,
        crop: PositiveInt | None = None,
    ) -> None:
        self.alignment = alignment
        self.decoding = Decoding(3, height, width, crop)

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples.

        Raises:
            UserError: files are damaged or missing. They are no longer offered for download by their authors.
        """
        from torchvision import datasets

        def read(download: bool) -> list[list[Path]]:
            if download:
                raise ValueError("its authors no longer offer it")
            parts = (datasets.LFWPeople(str(root), split, self.alignment) for split in ("train", "test"))
            return [[Path(file) for file in part.data] for part in parts]

        folder, archive, _ = datasets.LFWPeople.file_dict[self.alignment]
        files = f"{archive}, the folder {folder} that is in it, peopleDevTrain.txt, peopleDevTest.txt and lfw-names.txt"
        parts = read_or_download("lfw", read, root / datasets.LFWPeople.base_folder, files, _INSTEAD)
        train, test = (Examples(self.decoding.read(part), None) for part in parts)
        return train, test
