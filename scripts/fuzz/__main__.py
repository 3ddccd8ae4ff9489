"""Try random command lines and check that each keeps to the contract in contract.py: `make fuzz`, or

    python scripts/fuzz --count 10000 --seed 1                     # wrong lines of every command; 300 a minute
    python scripts/fuzz combinations --count 1000 --seed 1         # combinations of options, trained; 15 a minute
    python scripts/fuzz --seed 1 --only 17                         # one of them again, with all of its output
    python scripts/fuzz --line "train model=5"                     # a line of your own

A line depends on the seed and on its number alone. The violations are printed as they are found, and written to
outputs/fuzz/<kind>-<seed>.txt.
"""

import argparse
import os
import shlex
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from child import load
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from sandbox import Sandbox
from trial import KINDS, OUTCOMES, Tried, lines_of, try_lines

console = Console(highlight=False, markup=False, soft_wrap=True)
EVERY = 100  # trials between two lines of progress where the output is no terminal
LIMITS = {"lines": 60.0, "combinations": 300.0}  # seconds


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=KINDS, default="lines", help="what is tried; default: lines")
    parser.add_argument("--count", type=int, default=1000, help="trials; default: 1,000")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial; default: 0")
    parser.add_argument("--only", type=int, help="try this number alone, show its output and keep its folder")
    parser.add_argument("--line", help="try this line alone, show its output and keep its folder")
    parser.add_argument("--jobs", type=int, default=1, help="trials side by side; default: 1")
    parser.add_argument("--limit", type=float, help="seconds until a line is interrupted; default: 60, or 300")
    return parser.parse_args()


def main() -> int:
    """Try the lines; return 1 if one broke the contract, else 0."""
    words = parse_arguments()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    load()
    sandbox = Sandbox(Path(tempfile.mkdtemp(prefix="vae-lab-fuzz-")))
    sandbox.prepare()
    limit = words.limit or LIMITS[words.kind]
    if words.line is not None or words.only is not None:
        lines = [shlex.split(words.line)] if words.line is not None else lines_of(words.kind, words.seed, words.only)
        return show_each(try_lines(lines, sandbox, words.only or 0, limit, keep=True), sandbox)
    one = partial(_trial, words.kind, words.seed, sandbox, limit)
    numbers = range(words.first, words.first + words.count)
    with get_context("fork").Pool(
        words.jobs, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
    ) as pool:
        return campaign(words, pool.imap_unordered(one, numbers))


def _trial(kind: str, seed: int, sandbox: Sandbox, limit: float, number: int) -> list[Tried]:
    return try_lines(lines_of(kind, seed, number), sandbox, number, limit)


def campaign(words: argparse.Namespace, trials: Iterable[list[Tried]]) -> int:
    """Show the progress, each violation and, at the end, the table of outcomes."""
    counts: Counter[tuple[str, str]] = Counter()
    report = Path("outputs/fuzz") / f"{words.kind}-{words.seed}.txt"
    report.parent.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    with report.open("w", encoding="utf-8") as file, Progress(*columns, console=console, expand=True) as progress:
        task = progress.add_task("0 violations", total=words.count)
        for done, trial in enumerate(trials, 1):
            for tried in trial:
                counts[tried.words[0] if tried.words else "", tried.outcome] += 1
                if tried.violations:
                    text = described(tried, words.kind, words.seed)
                    file.write(f"{text}\n\n")
                    file.flush()
                    progress.console.print(text + "\n")
            violations = sum(number for (_, outcome), number in counts.items() if outcome == "violation")
            progress.update(task, advance=1, description=f"{violations} violation{'s' if violations != 1 else ''}")
            if not console.is_terminal and done % EVERY == 0:
                left = (progress.tasks[task].time_remaining or 0) / 60
                console.print(f"{done} of {words.count}, {violations} violations, about {left:.0f} minutes left")
    console.print(table_of(counts, words))
    console.print(f"Violations are in {report}")
    return int(violations > 0)


def described(tried: Tried, kind: str, seed: int) -> str:
    """Return a violation in a few lines: what is wrong, the line, the output, and how to repeat it."""
    typed = tried.typed if len(tried.typed) < 1000 else f"{tried.typed[:1000]}…"
    shown = [line[:300] for line in tried.ended.err.strip().splitlines()[-2:]]
    repeat = f'make fuzz ARGS="{kind} --seed {seed} --only {tried.number}"'
    return "\n  ".join([f"{'; '.join(tried.violations)}:", typed, *shown, repeat])


def table_of(counts: Counter[tuple[str, str]], words: argparse.Namespace) -> Table:
    """Return the number of lines by command and outcome."""
    outcomes = [*OUTCOMES.values(), "violation"]
    table = Table(title=f"{words.kind}, seed {words.seed}, {words.count} trials", title_justify="left")
    table.add_column("command")
    for outcome in (*outcomes, "all"):
        table.add_column(outcome, justify="right")
    known = ("train", "evaluate", "sample", "score", "compare")
    rows: dict[str, Counter[str]] = {}
    for (command, outcome), number in counts.items():
        rows.setdefault(command if command in known else "(no command)", Counter())[outcome] += number
    for command in sorted(rows):
        table.add_row(command, *(str(rows[command][each]) for each in outcomes), str(rows[command].total()))
    whole = [sum(row[each] for row in rows.values()) for each in outcomes]
    table.add_row("all", *map(str, whole), str(sum(whole)))
    return table


def show_each(trial: list[Tried], sandbox: Sandbox) -> int:
    """Print all about the lines of one trial; return 1 if one broke the contract, else 0."""
    for tried in trial:
        console.print(tried.typed, tried.ended.out, tried.ended.err, sep="\n")
        console.print(
            f"exit status {tried.ended.status}, {tried.ended.seconds:.1f} s: {tried.violations or 'no violation'}"
        )
    console.print(f"Its folder is in {sandbox.base / 'trials'}")
    return int(any(tried.violations for tried in trial))


if __name__ == "__main__":
    sys.exit(main())
