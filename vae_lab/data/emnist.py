"""EMNIST (Cohen et al. 2017, arXiv 1702.05373): handwritten letters and digits, 28×28, in six published splits."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from vae_lab.data.torchvision_reading import read_or_download
from vae_lab.examples import Examples


class EMNIST:
    """One of the six splits of EMNIST, upright. The published files hold rows and columns exchanged.

    Args:
        split: 'balanced' (47 classes, 112,800 + 18,800 images), 'letters' (26, 124,800 + 20,800), 'digits' (10,
            240,000 + 40,000), 'mnist' (10, 60,000 + 10,000), 'byclass' (62) or 'bymerge' (47), both 697,932 + 116,323.
    """

    def __init__(
        self, split: Literal["balanced", "letters", "digits", "mnist", "byclass", "bymerge"] = "balanced"
    ) -> None:
        self.split = split

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples.

        Raises:
            UserError: the files are damaged, or are missing and cannot be downloaded.
        """
        from torchvision import datasets

        def read(download: bool) -> list[Examples]:
            opened = (datasets.EMNIST(str(root), self.split, train=t, download=download) for t in (True, False))
            return [self._examples(part.data, part.targets, tuple(part.classes)) for part in opened]

        files = f"emnist-{self.split}-{{train,test}}-{{images-idx3,labels-idx1}}-ubyte (unpacked from gzip.zip)"
        train, test = read_or_download("emnist", read, root / "EMNIST" / "raw", files)
        return train, test

    def _examples(self, images: Tensor, labels: Tensor, classes: tuple[str, ...]) -> Examples:
        if self.split == "letters":  # counts from 1, and torchvision calls class 0 N/A
            labels, classes = labels - 1, classes[1:]
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images and {len(labels)} labels")
        return Examples(images.transpose(1, 2).contiguous().unsqueeze(1), labels.to(torch.long), classes)
