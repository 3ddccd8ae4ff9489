"""Published datasets that are downloaded by hand: where their files lie, and what is said if they are not there.

A download that a server refuses is often saved under the name of the file: a web page called
``img_align_celeba.zip``. Files are therefore looked at before they are read, and archives before the user is told to
unpack them.
"""

import codecs
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vae_lab.data.image_files import shown
from vae_lab.errors import UserError, did_you_mean

_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--", b"<script", b"<title", b"<meta")
_PAGE = "is a web page (HTML) saved under this name, as servers send it when a download is refused"
_ARCHIVES = {".zip", ".tgz", ".gz", ".xz", ".tar", ".bz2", ".7z", ".rar"}
_READABLE = {".zip", ".tgz", ".gz", ".xz", ".tar", ".bz2"}  # by Python, to see if they are damaged


@dataclass(frozen=True)
class ByHand:
    """A dataset that is not downloaded by the program.

    Args:
        option: the option that names it: ``dataset=celeba``.
        folders: the folders below ``data_dir`` in which its files may lie; '' is ``data_dir`` itself.
        needed: the files to put there, for messages.
        page: the name of the public page that offers them.
        instead: another dataset to type if they cannot be had.
        archives: the beginnings of the names of its archives, which are named if damaged when a file is missing.
    """

    option: str
    folders: tuple[str, ...]
    needed: str
    page: str
    instead: str = "dataset=image_folder dataset.source.path=<folder> for any folder of images"
    archives: tuple[str, ...] = ()

    def file(self, root: Path, names: Sequence[str]) -> Path:
        """Return the first file of one of these names.

        Args:
            root: the folder that holds datasets.
            names: paths below one of ``folders``, in order of preference; messages call it by the first name.

        Raises:
            UserError: there is none, or it is a folder or a web page; if there is none, the message names an archive
                that is still packed or damaged, or what to download.
        """
        found = self._present(root, names)
        if found is None:
            raise self._missing(root, names, names[0])
        if not found.is_file():
            raise UserError(f"{self.option}: {shown(found)} is a folder, and a file is needed; {self._again}")
        if _is_page(_start(found)):
            raise UserError(f"{self.option}: {shown(found)} {_PAGE}; {self._again}")
        return found

    def folder(self, root: Path, names: Sequence[str], others: Sequence[str] = ()) -> Path:
        """Return the first folder of one of these names.

        Args:
            root, names: see :meth:`file`; messages call it by the last name.
            others: names of folders that are there and would do.

        Raises:
            UserError: there is none, or it is a file.
        """
        found = self._present(root, names)
        if found is None:
            raise self._missing(root, names, names[-1], others)
        if not found.is_dir():
            raise UserError(f"{self.option}: {shown(found)} is a file, and a folder is needed; {self._again}")
        return found

    def places(self, root: Path) -> list[Path]:
        """Return the folders in which the files may lie."""
        return [root / folder for folder in self.folders]

    @property
    def _again(self) -> str:
        return f"download it again from {self.page}"

    def _present(self, root: Path, names: Sequence[str]) -> Path | None:
        paths = (place / name for place in self.places(root) for name in names)
        return next((path for path in paths if path.exists()), None)

    def _missing(self, root: Path, names: Sequence[str], called: str, others: Sequence[str] = ()) -> UserError:
        places = self.places(root)
        words = [*self.folders, *(name.partition("/")[0].partition(".")[0] for name in names)]
        for archive in (path for place in places for path in _archives(place, words)):
            return UserError(self._told(archive) or f"{self.option}: {shown(archive)} is still packed; unpack it")
        for archive in (path for place in places for path in _archives(place, self.archives)):
            if told := self._told(archive):
                return UserError(told)
        there = f"type one of the folders there ({', '.join(others[:20])}), or " if others else ""
        return UserError(
            f"{self.option}: {called} is not in {shown(places[0])}{did_you_mean(called, others)}; {there}download "
            f"{self.needed} from {self.page} into it, or type data_dir=<folder that has them>, or {self.instead}"
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
        return f"{self.option}: {shown(archive)} {why}; {self._again}" if why else ""


def archive_fault(archive: Path) -> str:
    """Return why an archive cannot be unpacked, ``is truncated``; an empty text if nothing is wrong with its ends."""
    start = _start(archive)
    if _is_page(start):
        return _PAGE
    if not start:
        return "is empty"
    if archive.suffix.lower() not in _READABLE:
        return ""
    if archive.suffix.lower() == ".zip":
        return "" if zipfile.is_zipfile(archive) else "is truncated or no zip archive"
    return "" if tarfile.is_tarfile(archive) else "is damaged or no tar archive"


def _start(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(256)


def _is_page(start: bytes) -> bool:
    """Return whether a file that starts so is HTML or XML, in UTF-8 or UTF-16, with or without a byte order mark."""
    text = start.removeprefix(codecs.BOM_UTF8).removeprefix(codecs.BOM_UTF16_LE).removeprefix(codecs.BOM_UTF16_BE)
    return text.replace(b"\0", b"").lstrip().lower().startswith(_PAGES)


def _archives(place: Path, words: Sequence[str]) -> list[Path]:
    """The archives in a folder whose names begin with one of the words; those of other datasets may lie there, too."""
    starts = tuple(_plain(word) for word in words if word)
    files = (path for path in place.glob("*") if path.suffix.lower() in _ARCHIVES and path.is_file())
    return sorted(path for path in files if _plain(path.name).startswith(starts))


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")  # lfw-funneled.tgz holds lfw_funneled
