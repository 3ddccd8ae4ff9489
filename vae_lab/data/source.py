"""The interface of a source of examples, which reads a training and a test set from a folder."""

from pathlib import Path
from typing import Protocol

from vae_lab.errors import UserError
from vae_lab.examples import Examples


class Source(Protocol):
    """Reads the examples of a dataset. A file in ``conf/dataset`` names its source under the key ``source``.

    Optional attributes of a source of image files, by which other images are brought to the shape of its own for a
    trained model: ``decoding`` (:class:`vae_lab.data.listed_images.Decoding`), how its files become bytes, and
    ``reader`` (:class:`vae_lab.data.image_bytes.ImageReader`), how transparency and ranges of values are read.
    """

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples in ``root``, after downloading them if necessary and possible.

        Raises:
            UserError: the files are missing and cannot be downloaded, or are truncated or corrupt.
        """


def unavailable(name: str, where: Path, why: str) -> UserError:
    """Return the error for a missing dataset, which names the folder searched and a dataset that works offline."""
    return UserError(
        f"dataset={name} is not in {where} and could not be downloaded ({why}); type data_dir=<folder that has it>, "
        "or dataset=digits, which needs no download"
    )
