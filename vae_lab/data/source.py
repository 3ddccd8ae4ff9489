"""What a dataset is: two sets of images, read from a folder."""

from pathlib import Path
from typing import Protocol

from vae_lab.errors import UserError
from vae_lab.types import Images


class Source(Protocol):
    """Where images come from."""

    def load(self, root: Path) -> tuple[Images, Images]:
        """The training and the test images, from ``root`` (downloaded there where that is possible).

        Raises:
            UserError: missing and not to be had, truncated or corrupt.
        """


def unavailable(name: str, where: Path, why: str) -> UserError:
    """The error for a dataset that is not there: its name, where it was looked for, and what works offline."""
    return UserError(
        f"dataset={name} is not in {where} and could not be downloaded ({why}); type data_dir=<folder that has it>, "
        "or dataset=digits, which needs no download"
    )
