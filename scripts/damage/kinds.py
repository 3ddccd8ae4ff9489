"""The ways in which a file of a run folder is damaged, each drawn with a seeded generator."""

import csv
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

HARMLESS = {"byte order mark", "CRLF line ends"}  # a file that went through another system is still read
_ODD = (None, True, "", "x", "3", -1, 0, 0.5, 1e308, -1e308, float("nan"), float("inf"), 10**30, 10**400, [], [[]], {},
        {"a": 1}, ["x"], [1, 2, 3], "${oc.env:HOME}", "???", "\x1b[2J", "ä€😀", "x" * 100_000, [0] * 3000,
        "os.system", "2026-01-01")  # fmt: skip
_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi")
)


def damage(path: Path, draw: random.Random, originals: Path, kind: str | None = None) -> str:
    """Damage a file, and return in a few words how.

    Args:
        path: the file.
        draw: the source of all choices.
        originals: a folder with whole files, some of which replace this one.
        kind: the name of the damage; None: a random one.
    """
    kinds = {**_ANY, **_OF_SUFFIX.get(path.suffix, {})}
    # Mutations of the content find more than damages that every reader notices at once.
    weights = [1 if name in _ANY else 12 // len(_OF_SUFFIX[path.suffix]) for name in kinds]
    name = kind or draw.choices(list(kinds), weights)[0]
    kinds[name](path, draw, originals)
    return name


def _cut(path: Path, draw: random.Random, _: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content) or 1)])


def _flipped(path: Path, draw: random.Random, _: Path) -> None:
    content = bytearray(path.read_bytes())
    for _place in range(draw.choice((1, 1, 3, 20))):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def _written(make: Callable[[random.Random], bytes]) -> Callable[[Path, random.Random, Path], None]:
    return lambda path, draw, _: void(path.write_bytes(make(draw)))


def void(_: object) -> None:
    """Return nothing."""


def _vast(path: Path, _draw: random.Random, _: Path) -> None:
    os.truncate(path, 5 << 30)  # sparse: it takes no room on the disk


def _moved_lines(path: Path, _draw: random.Random, _: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def _in_place(make: Callable[[Path], object]) -> Callable[[Path, random.Random, Path], None]:
    def replace(path: Path, _draw: random.Random, _: Path) -> None:
        path.unlink()
        make(path)

    return replace


def _of_another(path: Path, draw: random.Random, originals: Path) -> None:
    """Replace it by another run's file of the same kind."""
    others = sorted(other for other in originals.rglob(f"*{path.suffix}") if other.is_file())
    shutil.copyfile(draw.choice(others), path)


def _json(path: Path, draw: random.Random, _: Path) -> None:
    path.write_text(json.dumps(_mutated(json.loads(path.read_text()), draw)))


def _yaml(path: Path, draw: random.Random, _: Path) -> None:
    path.write_text(yaml.safe_dump(_mutated(yaml.safe_load(path.read_text()), draw), sort_keys=False))


def _mutated(content: Any, draw: random.Random) -> Any:
    """Replace, remove, rename or add an entry at a random place."""
    places = [(content, key) for key in content]
    for node, key in places:  # the list grows while it is walked through
        inner = node[key]
        keys = inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
        places += [(inner, below) for below in list(keys)[:50]]
    node, key = draw.choice(places)
    change = draw.choice(("replace", "replace", "replace", "remove", "rename", "add", "deepen", "many"))
    if change == "replace" or not isinstance(node, dict):
        node[key] = draw.choice(_ODD)
    elif change == "remove":
        del node[key]
    elif change == "rename":
        node[draw.choice(("x", "_target_", "_args_", "ä", "seed"))] = node.pop(key)
    elif change == "add":
        node[draw.choice(("x", "_args_", "_partial_", "_recursive_", "_convert_"))] = draw.choice(_ODD)
    elif change == "deepen":
        for _level in range(draw.choice((5, 100))):
            node[key] = [node[key]]
    else:
        node |= {f"k{number}": draw.choice(_ODD[:10]) for number in range(3000)}
    return content


def _csv(path: Path, draw: random.Random, _: Path) -> None:
    rows = list(csv.reader(io.StringIO(path.read_text())))
    row = draw.randrange(len(rows))
    change = draw.choice(("cell", "cell", "cell", "shorter", "longer", "twice", "shuffle", "field"))
    if change == "cell":
        odd = ("", "x", "nan", "inf", "-1", "1e999", "9" * 5000, "1e308", "-0.5", '"', "0x1", "١", "true")
        rows[row][draw.randrange(len(rows[row]))] = draw.choice(odd)
    elif change == "shorter":
        rows[row] = rows[row][: draw.randrange(len(rows[row]))]
    elif change == "longer":
        rows[row] += ["1"] * draw.choice((1, 50))
    elif change == "twice":
        rows.insert(row, rows[row])
    elif change == "shuffle":
        draw.shuffle(rows)
    else:
        rows[row][draw.randrange(len(rows[row]))] = "9" * 200_000
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    path.write_text(out.getvalue())


def _lines(path: Path, draw: random.Random, _: Path) -> None:
    """Drop, repeat or exchange lines of a journal, or change an entry of one."""
    lines = path.read_text().splitlines()
    place, change = draw.randrange(len(lines)), draw.choice(("drop", "repeat", "exchange", "entry", "entry"))
    if change == "drop":
        del lines[place]
    elif change == "repeat":
        lines.insert(place, lines[place])
    elif change == "exchange":
        draw.shuffle(lines)
    else:
        lines[place] = json.dumps(_mutated(json.loads(lines[place]), draw))
    path.write_text("".join(f"{line}\n" for line in lines))


_ANY: dict[str, Callable[[Path, random.Random, Path], None]] = {
    "cut": _cut,
    "bytes flipped": _flipped,
    "emptied": _written(lambda draw: draw.choice((b"", b"\n", b"  \n\t"))),
    "random bytes": _written(lambda draw: draw.randbytes(draw.choice((1, 100, 10_000)))),
    "zeros": _written(lambda draw: bytes(draw.choice((1, 4096)))),
    "another type": _written(lambda draw: draw.choice((b"[]", b"{}", b"null", b"5", b'"x"', b"[1, 2]", b"a,b\n1,2\n"))),
    "deep brackets": _written(lambda draw: draw.choice((b"[", b'{"a":', b"{a: ", b"[{")) * draw.choice((90, 90_000))),
    "a long number": _written(lambda draw: draw.choice((b'{"a": %s}', b"a: %s", b"%s")) % (b"9" * 5000)),
    "a bomb of aliases": _written(lambda _: _BOMB.encode()),
    "UTF-16": _written(lambda _: "a: 1\n".encode("utf-16")),
    "5 GB": _vast,
    "deleted": _in_place(lambda _: None),
    "a folder": _in_place(lambda path: path.mkdir()),
    "a pipe": _in_place(lambda path: os.mkfifo(path)),
    "a broken link": _in_place(lambda path: path.symlink_to("nowhere")),
    "a loop of links": _in_place(lambda path: path.symlink_to(path.name)),
    "another run's file": _of_another,
}
_TEXT = {
    "byte order mark": lambda path, _draw, _: void(path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())),
    "CRLF line ends": _moved_lines,
}
_OF_SUFFIX: dict[str, dict[str, Callable[[Path, random.Random, Path], None]]] = {
    ".json": {"an entry": _json, **_TEXT},
    ".yaml": {"an entry": _yaml, **_TEXT},
    ".csv": {"a cell": _csv, **_TEXT},
    ".journal": {"a line": _lines},
}
