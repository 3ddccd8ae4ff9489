"""What every command line has to keep to, and the check of one that has ended.

* Status 0: nothing is on stderr, and every run that it wrote is complete.
* Status 2, the line is refused: stderr is one line of at most 400 characters, and no file or folder has changed.
* Status 1, the work failed honestly (a job of a sweep, a loss of NaN): one line on stderr, or one for each failed job
  of a sweep of ``evaluate``, ``sample`` or ``score``. ``train -m`` shows a table on stdout instead.
* Never: another status, a traceback, argparse's usage, "please report it", or a process that Ctrl-C does not end.
"""

import json
from collections.abc import Container, Iterator
from pathlib import Path

from fuzz.child import Ended

LONGEST = 400  # characters of a line on stderr
FORBIDDEN = ("please report it", "Traceback", "usage: ", "Warning")
FINISHED, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
PRINTING = ("--help", "-h", "--cfg", "-c", "--info", "-i", "--hydra-help", "--version", "dry_run=true")

Tree = dict[str, tuple[int, int]]


def tree_of(folder: Path) -> Tree:
    """Return size and time of change of every file in a folder, and all of its folders."""
    found = sorted(folder.rglob("*"))
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns) if path.is_file() else (-1, -1)
        for path in found
    }


def violations(words: list[str], ended: Ended, before: Tree, after: Tree, folder: Path) -> list[str]:
    """Return in what a line that has ended breaks the contract."""
    return [*_of_status(ended), *_of_text(words, ended), *_of_files(words, ended, before, after, folder)]


def _of_status(ended: Ended) -> Iterator[str]:
    if ended.hung:
        yield "does not end on Ctrl-C"
    elif ended.status == INTERRUPTED and not ended.long:
        yield "ends as if it was interrupted"
    elif ended.status not in (FINISHED, FAILED, REFUSED, INTERRUPTED):
        yield f"exit status {ended.status}"


def _of_text(words: list[str], ended: Ended) -> Iterator[str]:
    for word in FORBIDDEN:
        if word in ended.err or (word in ended.out and ended.status != FINISHED):
            yield f"'{word}' in its output"
    lines = ended.err.strip().splitlines()
    allowed: Container[int] | None = {FINISHED: (0,), FAILED: (0, 1), REFUSED: (1,)}.get(ended.status)
    if {"-m", "--multirun"} & set(words) and ended.status == FAILED:
        allowed = range(20)
    if allowed and len(lines) not in allowed:
        yield f"{len(lines)} lines on stderr with exit status {ended.status}"
    if ended.status == FAILED and not (lines or ended.out.strip()):
        yield "fails without a word"
    longest = max(map(len, lines), default=0)
    if longest > LONGEST and ended.status != FINISHED:
        yield f"a line of {longest} characters on stderr"


def _of_files(words: list[str], ended: Ended, before: Tree, after: Tree, folder: Path) -> Iterator[str]:
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    if ended.status == REFUSED and changed:
        yield f"is refused, but changes {', '.join(changed[:3])}"
    if ended.status != FINISHED:
        return
    unfinished = [path for path in changed if path.endswith((".part", ".lock")) and path in after]
    if unfinished:
        yield f"leaves {', '.join(unfinished[:3])}"
    for path in changed:
        if Path(path).name == "config.yaml" and path in after:
            yield from _of_run(folder / path)
    if not changed and not set(words) & set(PRINTING) and len(ended.out) < 40:
        yield "ends with status 0, but neither writes nor prints anything"


def _of_run(config: Path) -> Iterator[str]:
    results = config.with_name("results.json")
    try:
        if json.loads(results.read_text(encoding="utf-8"))["status"] != "finished":
            yield f"{results} does not say 'finished'"
        json.loads(config.with_name("environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError) as why:
        yield f"the run in {config.parent.name} is not complete ({type(why).__name__}: {why})"
