"""SVHN (Netzer et al. 2011): digits of house numbers in photographs, 32×32, RGB."""

from pathlib import Path

import numpy as np
import torch

from vae_lab.data.torchvision_reading import read_or_download
from vae_lab.examples import Examples


class SVHN:
    """73,257 training and 26,032 test images, in ``svhn/`` below ``data_dir``, or in ``data_dir`` itself."""

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples.

        Raises:
            UserError: the files are damaged, or are missing and cannot be downloaded.
        """
        from torchvision import datasets

        where = root if (root / "train_32x32.mat").is_file() else root / "svhn"

        def read(download: bool) -> list[Examples]:
            opened = (datasets.SVHN(str(where), split, download=download) for split in ("train", "test"))
            return [
                Examples(
                    torch.from_numpy(np.ascontiguousarray(part.data)),
                    torch.from_numpy(part.labels).long(),
                    tuple(map(str, range(10))),
                )
                for part in opened
            ]

        train, test = read_or_download("svhn", read, where, "train_32x32.mat and test_32x32.mat")
        return train, test
