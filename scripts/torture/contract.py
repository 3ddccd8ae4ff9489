"""What must hold after a kill, and once the work is finished; without torch, which must not run before a fork."""

import csv
import json
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

_TEMPORARY = re.compile(r"\..*\.(part|lock)|\.writable|.*\.partial|.*\.rename|.*\.lock")
_TIMES = {"seconds", "epoch_seconds"}  # keys and columns that hold measured times


def incomplete(folder: Path) -> list[str]:
    """Return the files below a folder that are not complete, with reasons; hidden files are left out."""
    found = []
    for path in _files(folder):
        try:
            _READERS.get(path.suffix, Path.read_bytes)(path)
        except Exception as why:  # whatever a reader says about a cut file
            found.append(f"{path.relative_to(folder)} is incomplete ({type(why).__name__}: {why})")
    return found


def leftovers(folder: Path) -> list[str]:
    """Return temporary files below a folder, of which none may be left when the work is finished."""
    paths = [path for path in sorted(folder.rglob("*")) if _TEMPORARY.fullmatch(path.name)]
    return [f"{path.relative_to(folder)} was left behind" for path in paths]


def differences(folder: Path, undisturbed: Path) -> list[str]:
    """Return how the files and their numbers differ from those of a command that was not disturbed."""
    here, there = (
        {str(path.relative_to(top)): path for path in _files(top) if path.relative_to(top).parts[0] != "cache"}
        for top in (folder, undisturbed)  # the names of files in the cache depend on the folder and on the time
    )
    found = [f"{name} is missing" for name in sorted(there.keys() - here.keys())]
    found += [f"{name} should not be there" for name in sorted(here.keys() - there.keys())]
    for name in sorted(here.keys() & there.keys()):
        content = _NUMBERS.get(here[name].suffix)
        if (
            content is not None
            and here[name].name != "environment.json"
            and content(here[name]) != content(there[name])
        ):
            found.append(f"{name} has other numbers than that of an undisturbed command")
    return found


def _files(folder: Path) -> list[Path]:
    hidden = (path for path in folder.rglob("*") if path.is_file())
    return sorted(p for p in hidden if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def _read_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        if damaged:
            raise ValueError(f"wrong checksum of {damaged}")


def _read_csv(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    if not text.endswith("\n") or len({len(row) for row in rows}) != 1:
        raise ValueError("rows of different lengths")


def _read_picture(path: Path) -> None:
    if not path.read_bytes().endswith(b"IEND\xaeB`\x82"):
        raise ValueError("no end")
    with Image.open(path) as image:
        image.load()


def _read_page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("no end")


def _read_tensors(path: Path) -> None:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    if len(content) != 8 + length + end:
        raise ValueError("wrong length")


def _read_text(parse: Callable[[str], object]) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        if not isinstance(parse(path.read_text(encoding="utf-8")), dict):
            raise TypeError("not a mapping")

    return read


_READERS: dict[str, Callable[[Path], object]] = {
    ".ckpt": _read_archive,
    ".pt": _read_archive,
    ".csv": _read_csv,
    ".png": _read_picture,
    ".html": _read_page,
    ".safetensors": _read_tensors,
    ".json": _read_text(json.loads),
    ".yaml": _read_text(yaml.safe_load),
    ".npy": lambda path: np.load(path, mmap_mode="r"),
}


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in _TIMES}
    return [_without_times(inner) for inner in value] if isinstance(value, list) else value


def _columns(path: Path) -> list[dict[str, str]]:
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return [{key: value for key, value in row.items() if key not in _TIMES} for row in rows]


def _tensors(path: Path) -> list[tuple[str, int]]:
    """The checksums of the tensors in a checkpoint."""
    with zipfile.ZipFile(path) as archive:
        return [(entry.filename, entry.CRC) for entry in archive.infolist() if "/data/" in entry.filename]


_NUMBERS: dict[str, Callable[[Path], object]] = {
    ".ckpt": _tensors,
    ".pt": _tensors,
    ".csv": _columns,
    ".json": lambda path: _without_times(json.loads(path.read_text(encoding="utf-8"))),
    ".npy": Path.read_bytes,
    ".safetensors": Path.read_bytes,
}
