"""Damage the files of run folders at random, and check that every command refuses them in one line or does its work.

    python scripts/damage --count 1000 --seed 0
    python scripts/damage --seed 0 --only 17 --keep kept     # repeats one try, and keeps its folder

A try copies whole run folders, damages one file, and runs one command in a forked process. The command has to end with
exit status 0 and its work done, or with 2 (1 where only a part failed) and one line that names the file; a refused run
must not be changed. The exit status of the script is 1 if any try failed.
"""

import argparse
import contextlib
import gc
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from damage.folders import COMMANDS, Command, add_missing, add_odd_checkpoints, copy, interrupt, lines_to_make
from damage.kinds import HARMLESS, damage
from damage.trying import Ended, fault_of, run, state_of


def main() -> int:
    """Try as often as typed, and print the table of counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="number of tries")
    parser.add_argument("--seed", type=int, default=0, help="seed of all choices")
    parser.add_argument("--only", type=int, help="number of the only try to make")
    parser.add_argument("--keep", type=Path, help="keep the folder of the last try here")
    parser.add_argument("--originals", type=Path, help="keep the whole folders here, and use them again")
    typed = parser.parse_args()
    _import_everything()
    with tempfile.TemporaryDirectory() as temporary:
        originals = typed.originals or Path(temporary, "originals")
        if not originals.exists():
            make_originals(originals)
        numbers = [typed.only] if typed.only is not None else list(range(typed.count))
        tried, failed = _try_all(numbers, typed.seed, originals, Path(temporary), typed.keep)
    print(_table(tried, failed))
    print(f"{sum(tried.values())} tried, {sum(failed.values())} failed")
    return 1 if failed else 0


def make_originals(originals: Path) -> None:
    """Make the whole run folders.

    Raises:
        SystemExit: a command that makes them failed.
    """
    originals.mkdir(parents=True)
    for words in lines_to_make():
        ended = run(words, originals)
        if ended.status:
            sys.exit(f"{' '.join(words)}: {ended.err}")
    interrupt(originals)
    if not os.fork():  # torch is not used before a fork, because its threads would not exist in the child
        add_odd_checkpoints(originals)
        os._exit(0)
    os.wait()


Key = tuple[str, str]  # file, command


def _try_all(
    numbers: list[int], seed: int, originals: Path, temporary: Path, keep: Path | None
) -> tuple[Counter[Key], Counter[Key]]:
    tried: Counter[Key] = Counter()
    failed: Counter[Key] = Counter()
    started = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C prints the table of the tries so far
        for done, number in enumerate(numbers, 1):
            folder = temporary / str(number)
            folder.mkdir()
            command, file, kind, ended, fault = attempt(number, seed, originals, folder)
            key = (Path(file).name, command.name)
            tried[key] += 1
            if fault:
                failed[key] += 1
                again = f"python scripts/damage --seed {seed} --only {number} --keep <folder>"
                print(f"\n{number}: {file}, {kind}: {' '.join(command.words)}: {fault}")
                print(f"  {_last(ended)}\n  again: {again}", flush=True)
            _show_progress(done, len(numbers), sum(failed.values()), time.monotonic() - started)
            if keep:
                shutil.rmtree(keep, ignore_errors=True)
                shutil.copytree(folder, keep, symlinks=True)
            shutil.rmtree(folder)
    return tried, failed


def attempt(number: int, seed: int, originals: Path, folder: Path) -> tuple[Command, str, str, Ended, str]:
    """Damage one file and run one command.

    Returns:
        The command, the damaged file, how it was damaged, how the command ended, and what is wrong with that.
    """
    draw = random.Random(f"{seed}/{number}")
    command = draw.choice(COMMANDS)
    copy(originals, folder, command)
    file = draw.choice(command.files)
    add_missing(folder / file)
    kind = damage(folder / file, draw, originals)
    before = state_of(folder)
    ended = run(command.words, folder)
    return command, file, kind, ended, fault_of(command, ended, file, kind in HARMLESS, before, folder)


def _last(ended: Ended) -> str:
    lines = (ended.err.strip() or ended.out.strip()).splitlines()
    return f"status {ended.status}: {lines[-1][:600] if lines else 'no output'}"


def _show_progress(done: int, total: int, failed: int, seconds: float) -> None:
    left = round(seconds / done * (total - done))
    if sys.stdout.isatty() or done % 50 == 0 or done == total:
        line = f"{done}/{total} tried, {failed} failed; {left // 60} min {left % 60} s left"
        print(line, end="\r" if sys.stdout.isatty() else "\n", flush=True)


def _table(tried: Counter[Key], failed: Counter[Key]) -> str:
    """Rows of files and columns of commands: how often each was tried, and how often it failed."""
    files, commands = sorted({file for file, _ in tried}), sorted({command for _, command in tried})
    rows = [["file", *commands]]
    for file in files:
        counts = [(tried[file, command], failed[file, command]) for command in commands]
        rows.append([file, *(f"{n}, {bad} failed" if bad else str(n or "") for n, bad in counts)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _import_everything() -> None:
    """Import what the commands need, once: a forked process then starts at once."""
    import matplotlib.figure
    import optuna
    import plotly.graph_objects
    import plotly.offline
    import sklearn.mixture

    import vae_lab.cli
    import vae_lab.commands.evaluate
    import vae_lab.commands.sample
    import vae_lab.commands.train
    import vae_lab.compare.comparison
    import vae_lab.compare.views.page
    import vae_lab.search.optuna
    import vae_lab.sweep.start

    del matplotlib, optuna, plotly, sklearn, vae_lab
    gc.freeze()  # so that the children do not copy the memory of these modules


if __name__ == "__main__":
    sys.exit(main())
