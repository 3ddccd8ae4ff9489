"""Opens a dataset of torchvision: reads its files, downloads them if they are missing, or says where to put them."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vae_lab.data.torchvision_images import one_line
from vae_lab.errors import UserError

T = TypeVar("T")


def read_or_download(
    name: str, read: Callable[[bool], T], where: Path, files: str, instead: str = "dataset=digits, which needs no file"
) -> T:
    """Return what ``read`` returns.

    Args:
        name: the option of the dataset, for messages.
        read: opens torchvision's dataset; True lets it download what is missing.
        where: the folder of the files.
        files: the files that are needed, for messages.
        instead: another dataset to type if the files cannot be had.

    Raises:
        UserError: the files are damaged; or they are missing and cannot be downloaded.
    """
    if where.is_dir() and any(where.iterdir()):
        try:
            return read(False)
        except Exception as why:  # torchvision's readers raise many kinds of errors for damaged files
            raise UserError(
                f"dataset={name}: the files in {where} are incomplete or damaged ({_told(why)}); {files} are needed "
                f"there as they were published; complete them, or type data_dir=<another folder>"
            ) from why
    made = [place for place in (where, *where.parents) if not place.exists()]
    try:
        return read(True)
    except Exception as why:  # of the network, or a package that the download needs
        for place in made:  # torchvision creates its folders before it downloads
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
        raise UserError(
            f"dataset={name} is not in {where} and could not be downloaded ({_told(why)}); put {files} there, or type "
            f"data_dir=<folder that has them>, or {instead}"
        ) from why


def _told(why: Exception) -> str:
    """Return the cause in a few words; torchvision's advice about its own arguments is left out."""
    return one_line(why).removesuffix("You can use download=True to download it").rstrip(" .") or type(why).__name__
