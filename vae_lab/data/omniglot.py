"""Omniglot (Lake et al. 2015): 1,623 handwritten characters of 50 alphabets, each drawn by 20 people, 105×105."""

from pathlib import Path
from typing import Literal

import torch
from pydantic import PositiveInt

from vae_lab.data.listed_images import Decoding
from vae_lab.data.torchvision_reading import read_or_download
from vae_lab.examples import Examples

TEST_SIZE = 8115  # of the mixed split, which has 24,345 training images, as Burda et al. (2016) have


class Omniglot:
    """The characters as white strokes on black, as MNIST has them; the files hold black strokes on white.

    Args:
        split: 'published' trains on the 19,280 images of 30 alphabets ("background") and tests on the 13,180 of 20
            others ("evaluation"), without labels, since no alphabet is in both. 'mixed' divides all 32,460 images by a
            fixed shuffle; the alphabet is the label. The images that Burda et al. drew for their test set are in their
            ``chardata.mat`` alone, which ``dataset=arrays`` reads.
        height, width: size in pixels.
    """

    def __init__(
        self, split: Literal["published", "mixed"] = "published", height: PositiveInt = 28, width: PositiveInt = 28
    ) -> None:
        self.split = split
        self.decoding = Decoding(1, height, width, inverted=True)

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples.

        Raises:
            UserError: the files are damaged, or are missing and cannot be downloaded.
        """
        where = root / "omniglot-py"
        files = "images_background.zip and images_evaluation.zip, and the folders that are in them,"
        parts = read_or_download("omniglot", lambda download: _files(root, download), where, files)
        if self.split == "published":
            train, test = (Examples(self.decoding.read(part), None) for part in parts)
            return train, test
        both = [*parts[0], *parts[1]]
        alphabets = [file.parent.parent.name for file in both]
        classes = tuple(sorted(set(alphabets)))
        examples = Examples(self.decoding.read(both), torch.tensor([classes.index(a) for a in alphabets]), classes)
        order = torch.randperm(len(both), generator=torch.Generator().manual_seed(0))
        cut = min(TEST_SIZE, len(both) // 4)
        return examples.part(order[cut:].sort().values), examples.part(order[:cut])


def _files(root: Path, download: bool) -> list[list[Path]]:
    """Return the image files of the background and of the evaluation set."""
    from torchvision import datasets

    found = []
    for background in (True, False):
        part = datasets.Omniglot(str(root), background=background, download=download)
        folder = Path(part.target_folder)
        found.append([folder / part._characters[i] / name for name, i in part._flat_character_images])
        if not found[-1]:
            raise ValueError(f"{folder} has no images")
    return found
