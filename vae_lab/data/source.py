"""The interface of a source of examples: two sets, read from a folder."""

from pathlib import Path
from typing import Protocol

from vae_lab.errors import UserError
from vae_lab.examples import Examples


class Source(Protocol):
    """Reads the examples of a dataset. Named by the ``source`` of a YAML in ``conf/dataset``."""

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """The training and the test examples from ``root``, downloaded to it where that is possible.

        Raises:
            UserError: the files are missing and cannot be downloaded, or are truncated or corrupt.
        """


def unavailable(name: str, where: Path, why: str) -> UserError:
    """The error for a missing dataset: its name, the folder that was searched, and an option that works offline."""
    return UserError(
        f"dataset={name} is not in {where} and could not be downloaded ({why}); type data_dir=<folder that has it>, "
        "or dataset=digits, which needs no download"
    )
