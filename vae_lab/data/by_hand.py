"""Published datasets that are downloaded by hand: where their files lie, and what is said if they are not there.

A download that a server refuses is often saved under the name of the archive: a web page called
``img_align_celeba.zip``. Archives are therefore looked at before the user is told to unpack them.
"""

import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vae_lab.data.image_files import shown
from vae_lab.errors import UserError

_PAGES = (b"<!doctype html", b"<html")
_ARCHIVES = {".zip", ".tgz", ".gz", ".xz", ".tar"}


@dataclass(frozen=True)
class ByHand:
    """A dataset that is not downloaded by the program.

    Args:
        option: the option that names it: ``dataset=celeba``.
        folders: the folders below ``data_dir`` in which its files may lie; '' is ``data_dir`` itself.
        needed: the files to put there, for messages.
        page: the name of the public page that offers them.
        instead: another dataset to type if they cannot be had.
    """

    option: str
    folders: tuple[str, ...]
    needed: str
    page: str
    instead: str = "dataset=image_folder dataset.source.path=<folder> for any folder of images"

    def found(self, root: Path, names: Sequence[str], called: str | None = None) -> Path:
        """Return the first file or folder of one of these names.

        Args:
            root: the folder that holds datasets.
            names: paths below one of ``folders``, in order of preference.
            called: what a message calls them; None: the first name.

        Raises:
            UserError: there is none; the message names an archive that is still packed or damaged, or what to download.
        """
        places = [root / folder for folder in self.folders]
        found = next((place / name for place in places for name in names if (place / name).exists()), None)
        if found is not None:
            return found
        words = [*self.folders, *(name.partition("/")[0].partition(".")[0] for name in names)]
        for archive in (path for place in places for path in _archives(place, words)):
            raise UserError(self._told(archive) or f"{self.option}: {shown(archive)} is still packed; unpack it")
        raise UserError(
            f"{self.option}: {called or names[0]} is not in {shown(places[0])}; download {self.needed} "
            f"from {self.page} into it, or type data_dir=<folder that has them>, or {self.instead}"
        )

    def refuse_faulty(self, place: Path, word: str) -> None:
        """Refuse a damaged archive whose name begins with a word; intact ones may stay beside what was in them.

        Raises:
            UserError: there is one.
        """
        for archive in _archives(place, [word]):
            if told := self._told(archive):
                raise UserError(told)

    def _told(self, archive: Path) -> str:
        why = archive_fault(archive)
        return f"{self.option}: {shown(archive)} {why}; download it again from {self.page}" if why else ""


def archive_fault(archive: Path) -> str:
    """Return why an archive cannot be unpacked, ``is truncated``; an empty text if nothing is wrong with its ends."""
    with archive.open("rb") as file:
        start = file.read(256).lstrip().lower()
    if start.startswith(_PAGES):
        return "is a web page (HTML) saved under this name, as servers send it when a download is refused"
    if not start:
        return "is empty"
    if archive.suffix == ".zip":
        return "" if zipfile.is_zipfile(archive) else "is truncated or no zip archive"
    return "" if tarfile.is_tarfile(archive) else "is damaged or no tar archive"


def _archives(place: Path, words: Sequence[str]) -> list[Path]:
    """The archives in a folder whose names begin with one of the words; those of other datasets may lie there, too."""
    starts = tuple(word.casefold() for word in words if word)
    files = (path for path in place.glob("*") if path.suffix.lower() in _ARCHIVES and path.is_file())
    return sorted(path for path in files if path.name.casefold().startswith(starts))
