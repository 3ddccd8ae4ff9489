"""Measure the structure of the package from its source: rooms, floors and arrows, sizes, and uses of ``Any``.

A *room* is a folder of ``vae_lab`` or a module at its root. An *arrow* is a dependency: a room imports another one, at
the top of a file, inside a function, or for type checkers only. A *floor* is a layer of rooms that import only from
lower floors. Rooms that import each other form a *circle*; they share a floor and are listed.

    python scripts/house.py                    # this checkout
    python scripts/house.py --rev <revision>   # an earlier state, for comparison
    python scripts/house.py --rooms            # every floor with its rooms and what each imports
"""

import argparse
import ast
import io
import re
import statistics
import subprocess
import tarfile
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONG = 40  # functions with more lines are listed; a docstring and decorators are not counted


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rev", help="a git revision to measure instead of this checkout")
    parser.add_argument("--rooms", action="store_true", help="also list every floor with its rooms and their imports")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        package = _extracted(arguments.rev, Path(folder)) if arguments.rev else ROOT / "vae_lab"
        files = {path: path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))}
        print(f"{arguments.rev or 'this checkout'}: {len(files)} files, {sum(map(_lines, files.values())):,} lines")
        arrows = arrows_of(package, files)
        floors = floors_of(arrows)
        print(f"{len(arrows)} rooms, {len(floors)} floors, {sum(map(len, arrows.values()))} arrows")
        circles = [sorted(circle) for floor in floors for circle in floor if len(circle) > 1]
        print(f"circles: {'; '.join(' ↔ '.join(circle) for circle in circles) or 'none'}")
        _print_sizes(package, files)
        if arguments.rooms:
            for number, floor in enumerate(floors):
                for room in sorted(room for circle in floor for room in circle):
                    print(f"  {number}  {room:<16} {', '.join(sorted(arrows[room])) or '-'}")


def arrows_of(package: Path, files: dict[Path, str]) -> dict[str, set[str]]:
    """Return, for each room, the other rooms that its files import."""
    modules = {".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__") for path in files}
    arrows: dict[str, set[str]] = {}
    for path, text in files.items():
        room = path.relative_to(package).parts[0].removesuffix(".py")
        found = {name for name in _imported(text) if name in modules}
        arrows.setdefault(room, set()).update(name.partition(".")[0] for name in found)
    return {room: targets - {room} for room, targets in arrows.items()}


def floors_of(arrows: dict[str, set[str]]) -> list[list[set[str]]]:
    """Return the floors, the lowest first. Each is a list of sets: single rooms, or the rooms of a circle."""
    circles = _circles(arrows)
    height: dict[str, int] = {}

    def of(room: str) -> int:
        if room not in height:
            circle = next(circle for circle in circles if room in circle)
            below = {target for member in circle for target in arrows[member]} - circle
            height.update(dict.fromkeys(circle, 1 + max(map(of, below), default=-1)))
        return height[room]

    floors: dict[int, list[set[str]]] = defaultdict(list)
    for circle in circles:
        floors[of(next(iter(circle)))].append(circle)
    return [floors[number] for number in sorted(floors)]


def _circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of rooms that reach one another through imports; most sets are a single room."""
    reach = {room: {room} for room in arrows}
    changed = True
    while changed:
        changed = False
        for room, targets in arrows.items():
            new = set().union(*(reach[target] for target in targets), reach[room])
            changed |= new != reach[room]
            reach[room] = new
    found: list[set[str]] = []
    for room in arrows:
        circle = {other for other in reach[room] if room in reach[other]}
        if circle not in found:
            found.append(circle)
    return found


def _imported(text: str) -> set[str]:
    """Return the names below ``vae_lab`` that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return {name.removeprefix("vae_lab.") for name in names if name.startswith("vae_lab.")}


def _print_sizes(package: Path, files: dict[Path, str]) -> None:
    sizes = {path: _lines(text) for path, text in files.items() if path.name != "__init__.py"}
    largest = max(sizes, key=sizes.__getitem__)
    print(f"median file {statistics.median(sizes.values()):.0f} lines, largest {sizes[largest]} "
          f"({largest.relative_to(package)})")  # fmt: skip
    functions = [(node, path) for path, text in files.items() for node in ast.walk(ast.parse(text))
                 if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]  # fmt: skip
    long = [f"{path.relative_to(package)}:{node.name} ({_length(node)})" for node, path in functions
            if _length(node) > LONG]  # fmt: skip
    lengths = [_length(node) for node, _ in functions]
    print(f"{len(functions):,} functions, median {statistics.median(lengths):.0f} lines, {len(long)} over {LONG}: "
          f"{', '.join(long) or 'none'}")  # fmt: skip
    lines, anys = sum(map(_lines, files.values())), sum(len(re.findall(r"\bAny\b", text)) for text in files.values())
    print(f"Any: {anys} times, {1000 * anys / lines:.1f} per 1,000 lines")
    config = {path.relative_to(package).parts[0] for node, path in functions
              if "config" in {arg.arg for arg in [*node.args.args, *node.args.kwonlyargs]}}  # fmt: skip
    print(f"config is passed to functions of {len(config)} rooms: {', '.join(sorted(config))}")


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines from ``def`` to the last one, without the docstring."""
    documented = ast.get_docstring(node) is not None
    docstring = (node.body[0].end_lineno or 0) - node.body[0].lineno + 1 if documented else 0
    return (node.end_lineno or node.lineno) - node.lineno + 1 - docstring


def _lines(text: str) -> int:
    return text.count("\n")


def _extracted(revision: str, folder: Path) -> Path:
    """Extract the package at a git revision into ``folder``, and return its path."""
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", revision, "vae_lab"], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "vae_lab"


if __name__ == "__main__":
    main()
