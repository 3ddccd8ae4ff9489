"""Which files of a folder are images: the suffixes that are read, links that are followed, files that are left out."""

import hashlib
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from vae_lab.data.attributes import FILE as ATTRIBUTES
from vae_lab.errors import UserError

# The formats of Pillow that hold pixels and nothing else. EPS and WMF are left out because Pillow passes them to other
# programs, and PDF, PSD, FITS, HDF5, … because a file of theirs is more than a picture.
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA",
           "TIFF", "WEBP")  # fmt: skip
_NO_DATA = {"__macosx", "__pycache__", "@eadir", "$recycle.bin", "lost+found", "system volume information",
            "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}  # fmt: skip


@cache
def formats() -> tuple[str, ...]:
    """Return the formats that this installation of Pillow reads, for ``PIL.Image.open(file, formats=…)``."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def suffixes() -> frozenset[str]:
    """Return the suffixes of image files, such as ``.png``. AVIF is among them only if Pillow was built with it."""
    from PIL import Image

    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS)


def digest_of(files: Iterable[Path]) -> str:
    """Return the SHA-256 of the content of files, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


@dataclass
class ImageFiles:
    """The image files of a folder and of the folders in it, and what else lies there."""

    folder: Path
    images: list[Path] = field(default_factory=list)  # sorted
    folders: list[Path] = field(default_factory=list)  # folders in the folder, at any depth
    others: Counter[str] = field(default_factory=Counter)  # files left out, counted by suffix
    loops: int = 0  # links to folders that contain them, which are not followed

    @property
    def notes(self) -> list[str]:
        """Sentences about files that are not read."""
        notes, folder = [], shown(self.folder)
        if n := self.others.total():
            notes.append(f"{counted(n, 'file')} left out in {folder}, because only images are read: {self.kinds}.")
        if self.loops:
            lead = "it leads" if self.loops == 1 else "they lead"
            notes.append(f"{counted(self.loops, 'link')} not followed in {folder}: {lead} to a folder above.")
        return notes

    @property
    def kinds(self) -> str:
        """The files left out, by suffix: ``3 .txt, 1 .svg``."""
        most = sorted(self.others.items(), key=lambda item: (-item[1], item[0] or "~"))
        texts = [f"{n:,} {suffix or 'without a suffix'}" for suffix, n in most[:6]]
        return ", ".join([*texts, "…"] if len(most) > 6 else texts)


def image_files(folder: Path, called: str) -> ImageFiles:
    """Find all image files in a folder and in the folders inside.

    Links to files and folders are followed. Hidden files, and files and folders that systems add
    (``__MACOSX``, ``Thumbs.db``, …), are ignored.

    Args:
        folder: the folder.
        called: the option that named the folder, for messages: ``dataset=image_folder``.

    Raises:
        UserError: there is no image, a folder cannot be opened, or an image is a link to a file that does not exist.
    """
    found = ImageFiles(folder)
    _search(folder, found, ())
    found.images.sort()
    if not found.images:
        instead = f"; its files: {found.kinds}" if found.others else ""
        raise UserError(f"{called}: no image (.png, .jpg, .webp, .tif, …) in {shown(folder)}{instead}")
    return found


def _search(folder: Path, found: ImageFiles, above: tuple[tuple[int, int], ...]) -> None:
    try:
        here = folder.stat()
        if (here.st_dev, here.st_ino) in above:
            found.loops += 1
            return
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as why:
        raise UserError(f"the folder {shown(folder)} cannot be read ({why.strerror})") from why
    if above:
        found.folders.append(folder)
    for entry in entries:
        if not entry.name.startswith(".") and entry.name.casefold() not in _NO_DATA:
            _sort_in(folder / entry.name, entry, found, (*above, (here.st_dev, here.st_ino)))


def _sort_in(path: Path, entry: os.DirEntry[str], found: ImageFiles, above: tuple[tuple[int, int], ...]) -> None:
    """Search a folder, add an image, or count another file.

    Pipes and sockets are never images, because reading one may never end.
    """
    try:
        kind = entry.stat(follow_symlinks=True).st_mode if entry.is_symlink() else 0
    except OSError as why:  # the link leads nowhere or to itself
        if path.suffix.lower() in suffixes():
            to = f"it is a link to {shown(path.readlink())}, which does not exist"
            raise UserError(f"{shown(path)} cannot be read as an image ({to}); remove or repair it") from why
        kind = 0
    if stat.S_ISDIR(kind) or entry.is_dir(follow_symlinks=False):
        _search(path, found, above)
    elif path.suffix.lower() in suffixes() and (stat.S_ISREG(kind) or entry.is_file(follow_symlinks=False)):
        found.images.append(path)
    elif len(above) > 1 or entry.name != ATTRIBUTES:
        found.others[shown(path.suffix.lower())] += 1


def shown(path: Path | str) -> str:
    """Return a path or a name as one line of text that every file can hold, whatever its bytes are."""
    text = unicodedata.normalize("NFC", str(path))
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def counted(n: int, word: str) -> str:
    """Return ``1 file was`` or ``1,000 files were``."""
    return f"{n:,} {word} was" if n == 1 else f"{n:,} {word}s were"
